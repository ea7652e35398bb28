"""What stands between the matrix products of a transformer's layer, in torch's own operations.

`triton_elementwise` has the same as one kernel each. They agree up to rounding, so which one computes is part of a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn.functional import rms_norm, silu

if TYPE_CHECKING:
    from torch import Tensor

    Turns = tuple[Tensor, Tensor]
    """Cosines and sines [..., tokens, 1, head width], the sines' first half negated."""


class Elementwise(Protocol):
    """States are [..., tokens, width], or [..., tokens, heads, head width] where they are heads."""

    def norm(self, states: Tensor, weight: Tensor, eps: float) -> Tensor:
        """The RMS norm over the width."""

    def add_norm(
        self, states: Tensor, delta: Tensor, weight: Tensor, eps: float, *, gate: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """States + delta · gate, which may lie where the states lay, and the RMS norm of that."""

    def heads(self, states: Tensor, weight: Tensor, eps: float, turns: Turns | None = None) -> Tensor:
        """Heads normalised by one weight [head width], or one each [heads, head width], and turned by position.

        A half rotation is one roll: (a, b) · cos + (b, a) · (-sin, sin).
        """

    def gated(self, both: Tensor) -> Tensor:
        """silu(first half) · second half of [..., 2 · width]."""


@dataclass(frozen=True, slots=True)
class TorchElementwise:
    """Operation by operation."""

    def norm(self, states: Tensor, weight: Tensor, eps: float) -> Tensor:
        """As the protocol says."""
        return rms_norm(states, weight.shape, weight, eps)

    def add_norm(
        self, states: Tensor, delta: Tensor, weight: Tensor, eps: float, *, gate: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As the protocol says."""
        states = states + delta if gate is None else torch.addcmul(states, delta, gate)
        return states, rms_norm(states, weight.shape, weight, eps)

    def heads(self, states: Tensor, weight: Tensor, eps: float, turns: Turns | None = None) -> Tensor:
        """As the protocol says."""
        width = states.shape[-1:]
        # The kernel takes one weight for all heads.
        shared = weight.dim() == 1
        normed = rms_norm(states, width, weight, eps) if shared else rms_norm(states, width, None, eps) * weight
        if turns is None:
            return normed
        cos, sin = turns
        return torch.addcmul(normed * cos, normed.roll(width[0] // 2, dims=-1), sin)

    def gated(self, both: Tensor) -> Tensor:
        """As the protocol says."""
        gate, up = both.chunk(2, dim=-1)
        return silu(gate).mul_(up)


TORCH = TorchElementwise()


def elementwise(*, by_triton: bool) -> Elementwise:
    """The one or the other."""
    if not by_triton:
        return TORCH
    from renderer.models.kernels.triton_elementwise import TritonElementwise  # noqa: PLC0415 - it is not everywhere

    return TritonElementwise()
