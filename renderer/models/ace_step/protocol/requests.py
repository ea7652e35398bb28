"""What each stage is asked: everything that changes its bytes, nothing else. Frozen, JSON-able, no torch.

A request's canonical JSON enters its job's key; upstream results enter by their key. Settings stand in it under their
own names, each with the value that holds: what is said, else the default or the checkpoint's. What stands at its
neutral value, at which the stage computes as if the field weren't there, is in no key; for fields that are no settings
that is the default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.facts import MAX_DURATION
from renderer.settings import (
    CODES,
    DIT,
    DRAWN,
    LM,
    NOT_IN_KEY,
    NOT_TOLD,
    CotUse,
    DitSettings,
    EditSettings,
    LmSampling,
    Metas,
    is_said,
    setting,
)

_MAX_DURATION = setting(
    "Seconds a song lasts at most, where nobody says how long it is.",
    stages=(*LM, *DIT),
    neutral=MAX_DURATION,
    switches={"duration": is_said},
)


@dataclass(frozen=True, kw_only=True)
class CotRequest(CotUse, LmSampling):
    """Phase 1 of the LM: caption and lyrics to a chain of thought, always without guidance, which distorts text.

    Recipes from before version 0.2.0 hold a `cfg_scale` above 1 here: theirs were written with it.
    """

    caption: str
    lyrics: str
    metas: Metas
    max_duration: int = _MAX_DURATION


@dataclass(frozen=True, kw_only=True)
class CodesRequest(LmSampling):
    """Phase 2 of the LM: caption, lyrics and chain of thought (upstream, when there is one) to codes."""

    caption: str
    lyrics: str
    metas: Metas
    max_duration: int = _MAX_DURATION
    preview: float | None = None
    """Seconds after which the codes stop; None renders the whole song."""
    seed: int = setting("The take's.", stages=CODES, neutral=0, switches=DRAWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanScoreRequest:
    """The LM once more: how well the codes (upstream) tell the texts that they were written for."""

    caption: str
    lyrics: str
    metas: Metas
    """The user's, the language too; the chain of thought's (upstream) come before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSound:
    """An audio file, which is what its bytes are, wherever it lies."""

    digest: str = field(metadata=NOT_TOLD)
    """SHA-256 of its bytes."""
    path: str = field(metadata=NOT_IN_KEY)
    """Absolute."""
    seconds: float = field(metadata=NOT_IN_KEY)
    """As its header tells, at 48 kHz."""

    @property
    def seed(self) -> int:
        """Of what is drawn while it is encoded: the same for all takes that share the result."""
        return int(self.digest[:8], 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """The VAE's encoder: a file to latents, with as many samples of silence around it."""

    file: NamedSound
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRequest:
    """The VAE's encoder: three pieces of ten seconds of a file to latents."""

    file: NamedSound


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTokensRequest:
    """The audio tokenizer: the source's latents (upstream) to codes; there is nothing to ask beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWindow:
    """Latent frames of the source, from `start` up to `end`; outside of it they make the source longer."""

    start: int
    end: int | None = None
    """None is the source's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineWindow:
    """A section of the source, which is a take: when its lines are sung comes with its timestamps (upstream)."""

    first: int
    """The line of the source's lyrics that it begins at, from 0."""
    below: int | None = None
    """The line that the next one begins at; None is the source's end."""


@dataclass(frozen=True, kw_only=True)
class EditRequest(EditSettings):
    """How latents are made from a source's (upstream); settings without effect on the task are at their defaults."""

    task: str
    windows: tuple[FrameWindow | LineWindow, ...] = field(default=(), metadata=NOT_TOLD)
    """A pass each, in this order; none is the whole source."""
    tracks: tuple[str, ...] = field(default=(), metadata=NOT_TOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleWindow:
    """The same in samples at 48 kHz."""

    start: int
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """A take's windows between its source's own samples."""

    latents: str
    """The name of the input that holds the take's latents."""
    windows: tuple[SampleWindow | LineWindow, ...]
    crossfade: int
    """Samples outside of each edge in which one fades into the other."""
    before: int = 0
    after: int = 0
    """Samples of silence around the source; of a source that is a take, the windows tell."""
    sections: str = ""
    """The name of the input that tells when the source's sections are; empty where no window is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpliceRequest:
    """What a take's sound is spliced from: a sound, and each take that was made from it, the last one last."""

    links: tuple[Splice, ...] = field(metadata=NOT_TOLD)
    file: NamedSound | None = None
    """The sound; None for that of a take, whose latents come in as `origin`."""
    duration: float | None = None
    """Seconds to which that take is trimmed."""


@dataclass(frozen=True, kw_only=True)
class LatentsRequest(CotUse, DitSettings):
    """The DiT with its conditions: texts, metas and codes (upstream, when there are any) to latents."""

    caption: str
    lyrics: str
    metas: Metas
    max_duration: int = _MAX_DURATION
    preview: float | None = None
    seed: int
    edit: EditRequest | None = None
    if TYPE_CHECKING:
        # The checkpoint's, where nobody says any: here they are said.
        inference_steps: int
        guidance_scale: float
        shift: float
        dcw_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampsRequest:
    """What the DiT attends to while it looks at its latents (upstream) once more."""

    latents: LatentsRequest
    """What they were asked: the same conditions are made of it."""
    heads: tuple[tuple[int, tuple[int, ...]], ...]
    """Layer -> its heads that follow the lyrics, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformRequest:
    """The VAE: latents (upstream) to sound, trimmed to the asked length, peak at -1 dBFS."""

    duration: float | None = None
    """Seconds to trim to; None keeps what the latents hold."""
    splice: SpliceRequest | None = None
    """Where only windows of a source were made anew: everything else is the source's samples, and keeps its level."""
