"""DCW: what a step made is moved away from the step's own guess of the end, in the bands of a wavelet along time.

Latents, a guess and a time go in, latents come out; knows nothing of the DiT or its loop. The wavelet is Haar's, a pair
of frames at a time. Source: Yu et al., "Elucidating the SNR-t Bias of Diffusion Probabilistic Models"
(arXiv:2604.16044), with strengths and order of operations as in ace-step/ACE-Step-1.5,
acestep/models/common/dcw_correction.py and dcw_primitives.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from torch import Tensor

TAP = 0.7071067811865476  # Haar's, both of them: half the root of two


@dataclass(frozen=True, slots=True, kw_only=True)
class Dcw:
    """How latents are corrected after each step."""

    mode: str
    """`low`, `high` or `double` (both bands), or `pix` (no wavelet)."""
    scaler: float
    """Of the one band there is, or of the low one; in `pix` of everything."""
    high_scaler: float = 0.0
    """Of the high band in `double`."""

    def strengths(self, time: float) -> tuple[float, float]:
        """Of low and high band at a time from 1 (noise) to 0: the low one is corrected early, the high one late."""
        low, high = time * self.scaler, (1.0 - time) * self.scaler
        return {"low": (low, 0.0), "high": (0.0, high), "double": (low, (1.0 - time) * self.high_scaler)}[self.mode]


def apply_dcw(stepped: Tensor, guess: Tensor, time: float, dcw: Dcw) -> Tensor:
    """`stepped` [rows, frames, channels], moved away from `guess`, like it; `time` is the one the step began at.

    Both are the same in a schedule's last step, of which no more than rounding changes.
    """
    # Outside the DiT and its recorded step: the same few operations on every device and in every path, so that a graph
    # and its operations one by one stay equal to the bit, and switching it on needs no other recording.
    if dcw.mode == "pix":
        return stepped + dcw.scaler * (stepped - guess)
    low, high = dcw.strengths(time)
    if low == high == 0.0:
        return stepped
    return _in_bands(stepped, guess, low, high)


def _in_bands(stepped: Tensor, guess: Tensor, low: float, high: float) -> Tensor:
    # In float32 whatever the latents are in: what is corrected is small against them.
    (lows, highs), (low_guess, high_guess) = _to_bands(stepped), _to_bands(guess)
    if low:
        lows = lows + low * (lows - low_guess)
    if high:
        highs = highs + high * (highs - high_guess)
    return _from_bands(lows, highs)[:, : stepped.shape[1]].to(stepped.dtype)


def _to_bands(latents: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high band [rows, pairs, channels]; an odd last frame is paired with zeros."""
    frames = latents.float()
    if frames.shape[1] % 2:
        frames = pad(frames, (0, 0, 0, 1))
    first, second = TAP * frames[:, 0::2], frames[:, 1::2]
    # Fused, as a filter of two taps computes it.
    return torch.add(first, second, alpha=TAP), torch.add(first, second, alpha=-TAP)


def _from_bands(lows: Tensor, highs: Tensor) -> Tensor:
    rows, pairs, channels = lows.shape
    lows, highs = TAP * lows, TAP * highs
    return torch.stack([lows + highs, lows - highs], dim=2).view(rows, 2 * pairs, channels)
