"""What the stages hand on: Cot, Codes, Latents, Waveform. numpy arrays with shapes and rates; no torch."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from renderer.provenance import CodesNotes, CotNotes, DitNotes, VaeNotes


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The LM's audio codes: int32 [n] at 5 Hz."""

    codes: npt.NDArray[np.int32]
    notes: CodesNotes = field(default_factory=CodesNotes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latents:
    """The DiT's latents: float32 [frames, channels] at 25 Hz (64 channels in real checkpoints)."""

    frames: npt.NDArray[np.float32]
    notes: DitNotes = field(default_factory=DitNotes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """Sound: float32 [2, samples] at 48 kHz, peak at -1 dBFS."""

    samples: npt.NDArray[np.float32]
    notes: VaeNotes = field(default_factory=VaeNotes)


Artifact = Cot | Codes | Latents | Waveform
STORED: Mapping[str, type[Cot | Codes | Latents]] = {"cot": Cot, "codes": Codes, "latents": Latents}
"""What an artifact's file calls its kind -> the kind."""


def fault_of(artifact: Artifact) -> str:
    """Why an artifact can't be one, in words; nothing when it can.

    NaN and infinity come from numbers that overflowed or from damaged weights: what is built on them is noise.
    """
    match artifact:
        case Codes(codes=codes):
            if codes.ndim != 1 or codes.dtype != np.int32:
                return f"the codes are {codes.dtype} of shape {list(codes.shape)}"
            if codes.size and codes.min() < 0:
                return "a code is below 0"
        case Latents(frames=frames):
            if frames.ndim != 2 or frames.dtype != np.float32:  # noqa: PLR2004 - frames and channels
                return f"the latents are {frames.dtype} of shape {list(frames.shape)}"
            if not np.isfinite(frames).all():
                return "the latents hold NaN or infinity"
    return ""
