"""What a take sounds like, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


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
