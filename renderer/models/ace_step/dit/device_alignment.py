"""`protocol.alignment` and `lyric_score` on a CUDA device: what a CPU takes a second a song for is some milliseconds.

The paths are the same bit for bit; softmax and sums round otherwise, as everything does that another device computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.models.ace_step.protocol.alignment import SUPPRESSION, WarpPath, warp_all
from renderer.models.ace_step.protocol.lyric_score import FLAT, WEIGHED, TokenShares
from renderer.models.device import mark
from renderer.models.kernels.time_warping import WarpedWays, warp_ways

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Of a take's attention, on the host."""

    agreed: tuple[float, float]
    """The least and the most that any cell is agreed on."""
    sung: WarpPath
    """Along what is agreed on."""
    shares: Sequence[TokenShares]
    """Of each of the energies, along its own way."""


def begin(before: Tensor, after: Tensor) -> Callable[[], Aligned]:
    """Have attention [heads, tokens, frames] to noise and to a take aligned; what comes back waits for that alone."""
    agreed, energies = consensus(after), [energy_of(one) for one in (before, after)]
    costs = torch.stack([-agreed, *(-(one**2) for one in energies)])
    ways = warp_ways(costs) or _warped_on_cpu(costs)
    shares = [_shares(energy) for energy in energies]
    confidences = [_confidence(energy, ways, way) for way, energy in enumerate(energies, start=1)]
    made = [
        torch.stack(agreed.aminmax()),
        torch.stack(confidences),
        torch.stack(shares),
        ways.tokens,
        ways.frames,
        ways.lengths,
    ]
    low_high, confident, told, *path = (one.to("cpu", non_blocking=True) for one in made)
    wait = mark(after.device)

    def aligned() -> Aligned:
        wait()
        sung, *_ = paths(WarpedWays(tokens=path[0], frames=path[1], lengths=path[2]))
        low, high = low_high.tolist()
        pairs = zip(told.numpy(), confident.tolist(), strict=True)
        found = [TokenShares(peaks=one[0], sums=one[1], moments=one[2], confidence=sure) for one, sure in pairs]
        return Aligned(agreed=(low, high), sung=sung, shares=found)

    return aligned


def _warped_on_cpu(costs: Tensor) -> WarpedWays:
    """As `warp_ways`: the same paths, of the same costs."""
    found = warp_all(costs.cpu().numpy())
    tokens = torch.zeros((len(costs), sum(costs.shape[1:]) - 1), dtype=torch.int32)
    frames = torch.zeros_like(tokens)
    for way, path in enumerate(found):
        for row, one in ((tokens[way], path.tokens), (frames[way], path.frames)):
            row[-len(one) :] = torch.from_numpy(one)
    lengths = torch.tensor([len(path.tokens) for path in found], dtype=torch.int32)
    return WarpedWays(tokens=tokens.to(costs.device), frames=frames.to(costs.device), lengths=lengths.to(costs.device))


def paths(ways: WarpedWays) -> tuple[WarpPath, ...]:
    """Each way's own, on the host."""
    ends = zip(ways.tokens.numpy(), ways.frames.numpy(), ways.lengths.tolist(), strict=True)
    return tuple(WarpPath(row[-length:].astype(np.intp), at[-length:].astype(np.intp)) for row, at, length in ends)


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


def _shares(energy: Tensor) -> Tensor:
    """Float64 [3, tokens]: peaks, sums and moments of `lyric_score.shares_along`."""
    exact = energy.double()
    weights = torch.where(exact > WEIGHED, exact, 0.0)
    frames = torch.arange(exact.shape[1], dtype=exact.dtype, device=exact.device)
    return torch.stack([exact.amax(dim=1), weights.sum(dim=1), weights @ frames])


def _confidence(energy: Tensor, ways: WarpedWays, way: int) -> Tensor:
    """The mean of energies [tokens, frames] along a way, float64."""
    met = energy.double()[ways.tokens[way].long(), ways.frames[way].long()]
    return torch.where(ways.used[way], met, 0.0).sum() / ways.lengths[way]


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
