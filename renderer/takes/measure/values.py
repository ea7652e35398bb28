"""What a take sounds like, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
