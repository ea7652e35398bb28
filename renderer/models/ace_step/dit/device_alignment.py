"""`protocol.alignment` and `lyric_score` on a CUDA device: what a CPU takes a second a song for is some milliseconds.

The paths are the same bit for bit; softmax and sums round otherwise, as everything does that another device computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.models.ace_step.protocol.alignment import SUPPRESSION, WarpPath, warp_all
from renderer.models.ace_step.protocol.lyric_score import FLAT, WEIGHED, TokenShares
from renderer.models.kernels.time_warping import warp_ways

if TYPE_CHECKING:
    from torch import Tensor


def consensus(attention: Tensor) -> Tensor:
    """As `alignment.consensus`: float32 [heads, tokens, frames] to [tokens, frames]."""
    # A head at a time: sorting all of them would hold several times what the attention does.
    agreed = torch.stack([_agreed(head) for head in attention])
    mean = agreed.mean(dtype=torch.float64)
    squares = sum(((head.double() - mean) ** 2).sum() for head in agreed)
    std = torch.sqrt(squares / agreed.numel())
    return ((agreed - mean.float()) / (std.float() + 1e-9)).mean(dim=0)


def energy_of(attention: Tensor) -> Tensor:
    """As `lyric_score.energy_of`: [heads, tokens, frames] to [tokens, frames]."""
    mean = attention.mean(dim=0)
    low, high = mean.aminmax()
    return torch.where(high - low > FLAT, (mean - low) / (high - low), torch.zeros_like(mean))


def shares_along(path: WarpPath, energy: Tensor) -> TokenShares:
    """As `lyric_score.shares_along`, of energies on the device."""
    exact = energy.double()
    weights = torch.where(exact > WEIGHED, exact, 0.0)
    frames = torch.arange(exact.shape[1], dtype=exact.dtype, device=exact.device)
    peaks, sums, moments = torch.stack([exact.amax(dim=1), weights.sum(dim=1), weights @ frames]).cpu().numpy()
    tokens, at = (torch.from_numpy(one).to(exact.device) for one in path)
    return TokenShares(peaks=peaks, sums=sums, moments=moments, confidence=float(exact[tokens, at].mean()))


def warped(costs: Tensor) -> tuple[WarpPath, ...]:
    """As `alignment.warp_all` of float32 [ways, tokens, frames]."""
    found = warp_ways(costs) if costs.device.type == "cuda" else None
    if found is None:
        return warp_all(costs.cpu().numpy())
    return tuple(WarpPath(tokens.numpy().astype(np.intp), frames.numpy().astype(np.intp)) for tokens, frames in found)


def _agreed(head: Tensor) -> Tensor:
    agreed = torch.softmax(head, dim=-1) * torch.softmax(head, dim=-2)
    for axis in (-1, -2):
        agreed = torch.clamp(agreed - SUPPRESSION * _median(agreed, axis), min=0.0)
    return agreed**2


def _median(values: Tensor, axis: int) -> Tensor:
    """Of an even number the mean of the middle two, as numpy has it."""
    count = values.shape[axis]
    middle = values.sort(dim=axis).values.narrow(axis, (count - 1) // 2, 2 - count % 2)
    return middle.mean(dim=axis, keepdim=True)
