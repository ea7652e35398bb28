"""What the stages hand on: Cot, Codes, Latents, Waveform. numpy arrays with shapes and rates; no torch."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp, isfinite
from typing import TYPE_CHECKING, Protocol

from renderer.provenance import (
    CodesNotes,
    CotNotes,
    DitNotes,
    EncoderNotes,
    Notes,
    PlanScoreNotes,
    TimestampsNotes,
    VaeNotes,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Int32s = npt.NDArray[np.int32]
    Float32s = npt.NDArray[np.float32]
else:
    # Specs are checked without numpy, which takes longer to import than all of that.
    Int32s = Float32s = object


@dataclass(frozen=True, slots=True, kw_only=True)
class CotMetas:
    """The fields of a chain of thought; None where the LM wrote none."""

    bpm: int | None = None
    caption: str | None = None
    duration: int | None = None
    keyscale: str | None = None
    language: str | None = None
    timesignature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cot:
    """The LM's chain of thought: its text as generated and what it says."""

    text: str
    metas: CotMetas
    notes: CotNotes = field(default_factory=CotNotes)

    @property
    def take_notes(self) -> CotNotes:
        """Its notes as told of a take."""
        return replace(self.notes, text=self.text)

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The LM's audio codes: int32 [n] at 5 Hz."""

    codes: Int32s
    notes: CodesNotes = field(default_factory=CodesNotes)

    @property
    def take_notes(self) -> CodesNotes:
        """Its notes as told of a take."""
        return replace(self.notes, num_codes=len(self.codes))

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
        if self.codes.ndim != 1 or self.codes.dtype != "int32":
            return f"the codes are {self.codes.dtype} of shape {list(self.codes.shape)}"
        return "a code is below 0" if self.codes.size and self.codes.min() < 0 else ""


PMI_SCALE = 0.1
"""Nats a token that lift a text's score from 0.5 to 0.73. Source: acestep/core/scoring/lm_score.py."""
PLAN_WEIGHTS = {"caption": 0.5, "lyrics": 0.3, "metas": 0.2}
"""Of a plan's score; of what it has no text for, the others' in proportion. Source: as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScore:
    """How well codes tell what they were written for, as the LM reads them: ranks takes of one song, never songs."""

    caption_pmi: float | None = None
    """Nats a token by which the codes make the caption likelier; None where there is none."""
    lyrics_pmi: float | None = None
    """The same of the lyrics."""
    metas: Mapping[str, float] = field(default_factory=dict)
    """`bpm`, `keyscale`, … -> how high their tokens rank among the likeliest ten: 0 to 1, 1 where each is the first."""
    notes: PlanScoreNotes = field(default_factory=PlanScoreNotes)

    @property
    def scores(self) -> dict[str, float]:
        """`caption`, `lyrics`, `metas`, where there are any: 0 to 1; 0.5 for a text that the codes tell nothing of."""
        found = {"caption": self.caption_pmi, "lyrics": self.lyrics_pmi}
        scores = {name: _sigmoid(pmi / PMI_SCALE) for name, pmi in found.items() if pmi is not None}
        return scores | ({"metas": sum(self.metas.values()) / len(self.metas)} if self.metas else {})

    @property
    def score(self) -> float:
        """All of them, weighed: 0 to 1, and 0 where there are none."""
        weights = {name: PLAN_WEIGHTS[name] for name in self.scores}
        total = sum(weights.values())
        return sum(weights[name] / total * score for name, score in self.scores.items())

    @property
    def take_notes(self) -> PlanScoreNotes:
        """Its notes as told of a take."""
        scores = self.scores
        return replace(
            self.notes,
            score=self.score,
            caption=scores.get("caption"),
            lyrics=scores.get("lyrics"),
            metas=dict(self.metas) or None,
        )

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
        said = (self.caption_pmi, self.lyrics_pmi, *self.metas.values())
        return "" if all(one is None or isfinite(one) for one in said) else "a score is NaN or infinite"


def _sigmoid(value: float) -> float:
    # Of the two forms the one whose exponential can't overflow.
    return 1.0 / (1.0 + exp(-value)) if value >= 0 else exp(value) / (1.0 + exp(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Latents:
    """The DiT's latents: float32 [frames, channels] at 25 Hz (64 channels in real checkpoints)."""

    frames: Float32s
    notes: DitNotes = field(default_factory=DitNotes)

    @property
    def take_notes(self) -> DitNotes:
        """Its notes as told of a take."""
        return replace(self.notes, num_frames=len(self.frames))

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
        import numpy as np  # noqa: PLC0415 - see above

        if self.frames.ndim != 2 or self.frames.dtype != np.float32:  # noqa: PLR2004 - frames and channels
            return f"the latents are {self.frames.dtype} of shape {list(self.frames.shape)}"
        # They come from numbers that overflowed or from damaged weights: what is built on them is noise.
        return "" if np.isfinite(self.frames).all() else "the latents hold NaN or infinity"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    """A word of the lyrics, or a sign where words aren't written apart, with when it is sung, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedLine:
    """A line of the lyrics with when it is sung, in seconds; section tags are lines, too."""

    text: str
    start: float
    end: float
    row: int
    """The line of the lyrics it is, from 0; empty ones are counted and have no times."""
    words: tuple[TimedWord, ...]
    coverage: float | None = None
    """The share of its tokens that any frame of the sound attends to; None of a section's tag, which nobody sings."""

    @property
    def is_tag(self) -> bool:
        """Whether it is a section's tag."""
        return self.coverage is None

    @property
    def is_skipped(self) -> bool:
        """Whether nothing attends to it: it has times all the same, and perhaps isn't sung."""
        return self.coverage == 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamps:
    """When the lyrics are sung, as the DiT's attention tells, and how well the sound follows them."""

    seconds: float
    """Of sound that they are about."""
    lines: tuple[TimedLine, ...]
    lm_score: float
    """The lyric alignment score of what condition and codes say, before there are latents: 0 to 1."""
    dit_score: float
    """The same of the latents. Both rank takes of one song, never songs."""
    notes: TimestampsNotes = field(default_factory=TimestampsNotes)

    @property
    def take_notes(self) -> TimestampsNotes:
        """Its notes as told of a take."""
        skipped = tuple(line.text for line in self.lines if line.is_skipped)
        return replace(self.notes, lm_score=self.lm_score, dit_score=self.dit_score, skipped=skipped)

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
        timed: list[TimedLine | TimedWord] = [*self.lines, *(word for line in self.lines for word in line.words)]
        wrong = next((one for one in timed if not 0.0 <= one.start <= one.end <= self.seconds), None)
        if wrong is not None:
            return f"`{wrong.text}` is timed from {wrong.start} to {wrong.end} s of {self.seconds}"
        return "" if all(0.0 <= one <= 1.0 for one in (self.lm_score, self.dit_score)) else "a score isn't in 0 to 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSound:
    """A file's sound as latents: float32 [frames, channels] at 25 Hz."""

    frames: Float32s
    notes: EncoderNotes = field(default_factory=EncoderNotes)

    @property
    def take_notes(self) -> EncoderNotes:
        """Its notes as told of a take."""
        return self.notes

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
        return Latents(frames=self.frames).fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """Sound: float32 [2, samples] at 48 kHz, peak at -1 dBFS."""

    samples: Float32s
    notes: VaeNotes = field(default_factory=VaeNotes)

    @property
    def take_notes(self) -> VaeNotes:
        """Its notes as told of a take."""
        return self.notes

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
        return ""


class Artifact(Protocol):
    """What a stage gives: a frozen dataclass of numpy arrays and JSON values, with its notes."""

    @property
    def notes(self) -> Notes:
        """How it was made."""

    @property
    def take_notes(self) -> Notes:
        """The same as told of a take, with what the artifact itself has to tell."""

    @property
    def fault(self) -> str:
        """Why it can't be one, in words; nothing when it can."""
