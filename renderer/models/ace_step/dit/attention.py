"""The fused DiT's attention, two ways: by torch's varlen flash attention, or in blocks of padded SDPA.

Both compute what diffusers' layers compute, up to rounding, and neither makes a matrix of patches by patches: a layer
with a sliding window looks at each patch's neighbourhood only. Which one a device takes is `device.kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn.functional import pad, scaled_dot_product_attention

from renderer.models.ace_step.dit.conditions import MAX_CONDITION_TOKENS
from renderer.models.kernels.varlen import cu_seqlens_of, flash_attention

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.models.ace_step.dit.step_inputs import CrossKV

MAX_ROWS = 2  # of a step: with the conditions, and with null where guidance runs


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionShape:
    """The numbers of a DiT that its attention follows from."""

    heads: int
    kv_heads: int
    head_dim: int
    window: int
    """Patches that a sliding layer looks to both sides."""

    @property
    def groups(self) -> int:
        """Query heads that share a key/value head."""
        return self.heads // self.kv_heads


class LengthAttention(Protocol):
    """Attention for takes of one length; all tensors are [rows, tokens, heads, head width]."""

    @property
    def recordable(self) -> bool:
        """Whether a step launches the same kernels for every take of the length, whatever its conditions."""

    def within(self, query: Tensor, key: Tensor, value: Tensor, *, sliding: bool) -> Tensor:
        """Patches to each other: [rows, patches, heads · head width]."""

    def across(self, query: Tensor, cross_kv: CrossKV, layer: int) -> Tensor:
        """One row's patches to a layer's conditions: [1, patches, heads · head width]."""


class MakeAttention(Protocol):
    """One of the two ways, for takes of a length."""

    def __call__(self, shape: AttentionShape, num_patches: int, like: Tensor) -> LengthAttention:
        """What follows from the length, made once on the device and in the dtype of `like`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarlenAttention:
    """By flash attention, which takes the window, and how many condition tokens there are, as numbers on the device."""

    window: int
    num_patches: int
    cu_seqlens: Tensor
    """int32 [MAX_ROWS + 1]: where rows of this length begin and end, laid behind each other."""

    @classmethod
    def of(cls, shape: AttentionShape, num_patches: int, like: Tensor) -> VarlenAttention:
        """For takes of a length."""
        cu_seqlens = cu_seqlens_of(MAX_ROWS, num_patches, like.device)
        return cls(window=shape.window, num_patches=num_patches, cu_seqlens=cu_seqlens)

    @property
    def recordable(self) -> bool:
        """Yes: the number of condition tokens is read from the device, not baked into the launch."""
        return True

    def within(self, query: Tensor, key: Tensor, value: Tensor, *, sliding: bool) -> Tensor:
        """As the protocol says."""
        rows, window = self.cu_seqlens[: len(query) + 1], self.window if sliding else None
        out = flash_attention(query, key, value, rows, rows, max_seqlen=self.num_patches, window=window)
        return out.flatten(2)

    def across(self, query: Tensor, cross_kv: CrossKV, layer: int) -> Tensor:
        """As the protocol says."""
        key, value, tokens = cross_kv.keys[layer], cross_kv.values[layer], cross_kv.cu_seqlens
        # The most there may be, not what there are: a recorded step must not know how many.
        out = flash_attention(query, key, value, self.cu_seqlens[:2], tokens, max_seqlen=MAX_CONDITION_TOKENS)
        return out.flatten(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockAttention:
    """By SDPA: sliding layers in blocks as wide as the window, each against itself and the blocks beside it."""

    shape: AttentionShape
    mask: Tensor | None
    """[blocks, 1, groups · block, 3 · block], additive; None when the window spans the whole take."""

    @classmethod
    def of(cls, shape: AttentionShape, num_patches: int, like: Tensor) -> BlockAttention:
        """For takes of a length."""
        return cls(shape=shape, mask=_block_mask(shape, num_patches, like))

    @property
    def recordable(self) -> bool:
        """No: cross-attention has the shape of the take's own conditions."""
        return False

    def within(self, query: Tensor, key: Tensor, value: Tensor, *, sliding: bool) -> Tensor:
        """As the protocol says."""
        if sliding and self.mask is not None:
            return self._attend_window(query, key, value, self.mask)
        return self._attend_fully(query, key, value)

    def across(self, query: Tensor, cross_kv: CrossKV, layer: int) -> Tensor:
        """As the protocol says."""
        return self._attend_fully(query, cross_kv.keys[layer].unsqueeze(0), cross_kv.values[layer].unsqueeze(0))

    def _attend_fully(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        out = scaled_dot_product_attention(query, key, value, enable_gqa=self.shape.groups != 1)
        return out.transpose(1, 2).flatten(2)

    def _attend_window(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Block by block against three blocks; query heads of one key head side by side."""
        rows, num_patches = query.shape[:2]
        size, num_blocks, groups = self.shape.window, mask.shape[0], self.shape.groups
        kv_heads, head_dim = self.shape.kv_heads, self.shape.head_dim
        # A patch looks `window` to each side: all it attends to lies in its own block and the two beside it. So work
        # and memory grow with the take's length, not with its square.
        filled = num_blocks * size - num_patches
        query = pad(query, (0, 0, 0, 0, 0, filled)).view(rows * num_blocks, size, kv_heads, groups, head_dim)
        query = query.permute(0, 2, 3, 1, 4).flatten(2, 3)
        key, value = (_three_blocks(pad(part, (0, 0, 0, 0, size, size + filled)), size) for part in (key, value))
        out = scaled_dot_product_attention(query, key, value, attn_mask=mask.repeat(rows, 1, 1, 1))
        out = out.view(rows * num_blocks, kv_heads, groups, size, head_dim).permute(0, 3, 1, 2, 4)
        return out.reshape(rows, num_blocks * size, -1)[:, :num_patches]


def _block_mask(shape: AttentionShape, num_patches: int, like: Tensor) -> Tensor | None:
    """Which patches of the block before, its own and the block behind each patch of a block attends to."""
    block = shape.window
    if num_patches <= block + 1:
        return None
    num_blocks = -(-num_patches // block)
    query = torch.arange(block, device=like.device)[:, None] + block
    key = torch.arange(3 * block, device=like.device)[None]
    near = (query - key).abs() <= block
    position = key + (torch.arange(num_blocks, device=like.device)[:, None, None] - 1) * block
    allowed = near & (position >= 0) & (position < num_patches)
    # Patches that only fill the last block up attend to themselves: a row without any key would be NaN.
    allowed |= query == key
    mask = torch.zeros(allowed.shape, device=like.device, dtype=like.dtype).masked_fill_(~allowed, float("-inf"))
    return mask.repeat(1, shape.groups, 1)[:, None]


def _three_blocks(padded: Tensor, size: int) -> Tensor:
    """[rows, size · (blocks + 2), heads, width] to [rows · blocks, heads, 3 · size, width]."""
    return padded.unfold(1, 3 * size, size).permute(0, 1, 2, 4, 3).flatten(0, 1)
