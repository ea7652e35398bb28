"""What a take sounds like, in numbers, and of what it is measured."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
from dataclasses import dataclass
from pathlib import Path

from renderer.takes.measure.word_errors import LineErrors, LyricLine

LIKELY = 0.5  # of a language, from which on it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the sound itself says; None where it says nothing (no beat, silence)."""

    duration_seconds: float
    bpm: float | None
    keyscale: str | None
    """`A minor`."""
    loudness_lufs: float | None
    """Integrated, EBU R128."""
    true_peak_db: float | None
    """dBTP, from four times oversampling."""
    head_silence_seconds: float
    tail_silence_seconds: float
    head_quiet_seconds: float = 0.0
    """Before it comes near the level of its louder half for the first time; silence counts."""
    tail_quiet_seconds: float = 0.0
    """After it did for the last time."""
    num_clipped: int
    """Samples in runs of three or more at full scale."""
    beats: tuple[float, ...] = ()
    """When they are heard, in seconds; of a sound without tempo none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a take's samples differ from those of what it was made from; the ramps beside its windows don't count."""

    num_outside: int
    """Samples outside of its windows, of both channels."""
    num_outside_differing: int
    outside_peak_db: float | None
    """The largest difference among them, in dBFS; None where there is none."""
    num_inside: int
    num_inside_differing: int
    lossless: bool
    """Whether both files give back every sample that was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordErrors:
    """What is sung in a take beside its lyrics, as a recogniser hears it."""

    lines: tuple[LineErrors, ...]
    num_words: int
    """Of the lyrics; signs where words aren't parted by spaces."""
    num_errors: int
    """Words in place of others, missing ones and ones too many, those far from any line included."""
    language: str
    """That it was transcribed in, by Whisper's code: `en`."""
    recognised: str
    """That it sounds like."""
    probability: float
    """Of that."""
    recogniser: str
    """The name of its folder."""
    digest: str
    """Of its files, the head."""

    @property
    def num_wrong(self) -> int:
        """The errors, no more than there are words."""
        return min(self.num_errors, self.num_words)

    @property
    def rate(self) -> float:
        """The word error rate: 0 where all is as written, above 1 where it is full of other words."""
        return self.num_errors / self.num_words if self.num_words else 0.0

    @property
    def misheard(self) -> tuple[LineErrors, ...]:
        """The lines of which half or more isn't as written."""
        return tuple(line for line in self.lines if line.is_misheard)

    @property
    def other_language(self) -> str | None:
        """That it sounds like, where it was to be another."""
        return self.recognised if self.recognised != self.language and self.probability >= LIKELY else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFile:
    """A finished audio file."""

    path: Path
    digest: str
    """SHA-256 of the file: what its measurement is kept under."""

    @property
    def name(self) -> str:
        """What it is told apart by."""
        return self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPair:
    """The file of a take, and that of the take it was made from."""

    edit: SoundFile
    source: SoundFile
    windows: tuple[tuple[float, float], ...]
    """What was made anew, in seconds of the edit."""
    lead_seconds: float = 0.0
    """How much later everything is in the edit."""

    @property
    def name(self) -> str:
        """What its difference is kept under."""
        return f"{self.edit.digest[:16]}-{self.source.digest[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SungFile:
    """The file of a take, with what is to be sung in it and who listens."""

    sound: SoundFile
    lines: tuple[LyricLine, ...]
    language: str | None
    """By ACE-Step's code; None for the one that it sounds like."""
    recogniser: Path
    """The folder of a Whisper as CTranslate2 has it."""
    recogniser_digest: str

    @property
    def name(self) -> str:
        """What it is told apart by."""
        return f"{self.sound.digest[:16]}.words"
