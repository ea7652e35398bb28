"""How the rows of a pass attend in its decoding steps, two ways: varlen, or padded with a mask.

They agree up to rounding. Every shape is fixed when a pass is made; positions change in place, on the device, so that
a step is the same chain of operations each time and may be a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from renderer.models.kernels import kv_cache
from renderer.models.kernels.attention import AdditiveMask, VarlenMeta

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.models.kernels.attention import RowMask


class DecodeAttention(Protocol):
    """The attention of one pass."""

    @property
    def memory(self) -> list[Tensor]:
        """Each layer's [2, rows, kv heads, length, head_dim], keys before values, laid as its kernel reads them."""

    def mask(self) -> RowMask:
        """What each row attends to, by the positions as they are now."""


class MakeDecodeAttention(Protocol):
    """One of the two ways, for a pass."""

    def __call__(self, config: Any, positions: Tensor, length: int, like: Tensor) -> DecodeAttention:
        """For rows at `positions` (int64 [rows], read anew at each step) with caches of `length` tokens.

        `config` is transformers' of the model; memory gets dtype and device of `like`.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class VarlenDecode:
    """Rows read no more of their caches than is in use; CUDA from Ampere on, 16 bits."""

    memory: list[Tensor]
    positions: Tensor
    length: int
    groups: int

    @classmethod
    def of(cls, config: Any, positions: Tensor, length: int, like: Tensor) -> VarlenDecode:
        """For a pass."""
        return cls(
            memory=kv_cache.zeros_by_token(config, len(positions), length, like),
            positions=positions,
            length=length,
            groups=config.num_attention_heads // config.num_key_value_heads,
        )

    def mask(self) -> VarlenMeta:
        """Where each row's cache ends."""
        return VarlenMeta.of(self.positions, self.length, self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddedDecode:
    """Rows read all of their caches under an additive mask; any device, any dtype."""

    memory: list[Tensor]
    positions: Tensor
    columns: Tensor
    """int64 [length]: the cache's places."""

    @classmethod
    def of(cls, config: Any, positions: Tensor, length: int, like: Tensor) -> PaddedDecode:
        """For a pass."""
        return cls(
            memory=kv_cache.zeros_by_head(config, len(positions), length, like),
            positions=positions,
            columns=torch.arange(length, device=positions.device),
        )

    def mask(self) -> AdditiveMask:
        """-inf beyond each row's position."""
        keys = self.memory[0]
        # Made anew in each step, from the positions as they are then: part of the step, so part of its graph.
        mask = torch.zeros(len(self.positions), len(self.columns), dtype=keys.dtype, device=keys.device)
        return AdditiveMask(
            values=mask.masked_fill_(self.columns > self.positions.unsqueeze(-1), -torch.inf)[:, None, None]
        )
