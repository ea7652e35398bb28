"""How the rows of a pass attend in its decoding steps, two ways: varlen, or padded with a mask.

They agree up to rounding. Every shape is fixed when a pass is made; positions change in place, on the device, so that
a step is the same chain of operations each time and may be a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from renderer.models.kernels import kv_cache
from renderer.models.kernels.attention import AdditiveMask, ApartMask, VarlenMeta

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


BLOCK = 128  # columns


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddedDecode:
    """Rows read their caches under an additive mask; any device, any dtype.

    All of them, but on a CPU, where the unused rest is a third of a step's time: there each row to the end of the block
    that it has reached.
    """

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

    def mask(self) -> AdditiveMask | ApartMask:
        """-inf beyond each row's position, as far as its cache is read."""
        keys = self.memory[0]
        # Made anew in each step, from the positions as they are then: part of the step, so part of its graph.
        mask = torch.zeros(len(self.positions), len(self.columns), dtype=keys.dtype, device=keys.device)
        values = mask.masked_fill(self.columns > self.positions.unsqueeze(-1), -torch.inf)[:, None, None]
        # Elsewhere the host would have to wait for the positions.
        if self.positions.device.type != "cpu":
            return AdditiveMask(values=values)
        # A row's own position alone says how much of it is read. What the furthest row needs would do for all in one
        # operation, but a BLAS sums other lengths in other blocks: with the 4B LM's heads bits followed the neighbours.
        rows = enumerate(self.positions.tolist())
        return ApartMask(
            rows=tuple(AdditiveMask(values=values[[at], ..., : _num_read(reached)]) for at, reached in rows)
        )


def _num_read(position: int) -> int:
    """Columns that are read for a token at a position, if the cache has so many."""
    return (position // BLOCK + 1) * BLOCK
