"""Grouped-query attention without repeated key/value heads, as transformers calls it; knows rows, not songs.

In a decoding step each row attends to its own cache up to its own position. How that is said to the kernel is the
`RowMask` handed through transformers as its mask: numbers of where rows end, or an additive matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from renderer.models.kernels.varlen import flash_attention

if TYPE_CHECKING:
    from torch import Tensor

NAME = "renderer_grouped"


class RowMask(Protocol):
    """What each row attends to in one decoding step."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Query [rows, heads, 1, head_dim] on key and value [rows, kv heads, length, head_dim].

        Gives [rows, 1, heads, head_dim].
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class VarlenMeta:
    """How far each row's cache is in use, for varlen attention: what lies beyond isn't even read.

    A row is two sequences to the kernel: what it attends to, with its queries, and the rest, with none. So the caches
    needn't be packed anew at each step, and a row's result depends on its own length, not on its neighbours'.
    """

    cu_seqlens_k: Tensor
    """int32 [2 · rows + 1]: where these sequences' keys end, the rows' caches lying behind each other."""
    cu_seqlens_q: Tensor
    """The same of their queries."""
    groups: int
    """Query heads that share a key/value head: its queries in a step."""

    @classmethod
    def of(cls, positions: Tensor, length: int, groups: int) -> VarlenMeta:
        """From each row's position (int64 [rows]), whose token counts too, in a cache of `length` tokens a row."""
        numbers = torch.arange(len(positions), device=positions.device)
        # All on the device: the host never learns the positions, so it needn't wait for the step that moves them.
        used, rest = numbers * length + positions + 1, (numbers + 1) * length
        queries = (numbers + 1) * groups
        return cls(cu_seqlens_k=_two_a_row(used, rest), cu_seqlens_q=_two_a_row(queries, queries), groups=groups)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """As the protocol says; key and value lie by token in memory, as `kv_cache.zeros_by_token` has them."""
        rows, heads, _, width = query.shape
        # The heads of one key head become a row's queries, `groups` tokens long; the kernel then sees no groups at all.
        out = flash_attention(
            query.reshape(rows, -1, self.groups, width).transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            self.cu_seqlens_q,
            self.cu_seqlens_k,
            max_seqlen=key.shape[2],
            scale=scaling,
        )
        return out.transpose(1, 2).reshape(rows, 1, heads, width)


def _two_a_row(used: Tensor, rest: Tensor) -> Tensor:
    """Two ends a row, behind a zero."""
    return pad(torch.stack([used, rest], dim=1).flatten(), (1, 0)).to(torch.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveMask:
    """The same by padded SDPA, wherever there is no varlen kernel: every row reads as many columns of its cache.

    Masked columns get a weight of exactly 0, but how many there are is another shape, and so may be another rounding:
    neighbours mustn't decide it.
    """

    values: Tensor
    """[rows, 1, 1, columns]: 0 or -inf; what lies behind these columns isn't read."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """As the protocol says; query heads that share a key/value head are rows of one small matrix.

        So the cache is read once and never copied.
        """
        rows, heads, _, width = query.shape
        groups, columns = heads // key.shape[1], self.values.shape[-1]
        packed = query.reshape(rows, heads // groups, groups, width)
        mask = self.values.expand(rows, 1, groups, columns)
        out = scaled_dot_product_attention(
            packed, key[:, :, :columns], value[:, :, :columns], attn_mask=mask, scale=scaling
        )
        return out.reshape(rows, 1, heads, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMask:
    """Texts that branch off one trunk, all in one row: each sees the trunk and itself, up to its own place."""

    values: Tensor
    """[length, length]: 0 where a token sees another, else -inf."""

    @classmethod
    def of(cls, branches: Tensor, dtype: torch.dtype) -> TreeMask:
        """From each token's branch (int64 [length]), 0 being the trunk, which comes first; of queries in a dtype."""
        earlier = torch.ones(len(branches), len(branches), dtype=torch.bool, device=branches.device).tril_()
        seen = earlier & ((branches == 0) | (branches == branches.unsqueeze(1)))
        # As attention adds it: of a mask of bools each layer would make this anew.
        return cls(values=torch.zeros_like(seen, dtype=dtype).masked_fill_(~seen, -torch.inf))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """As the protocol says, of many tokens of one row: [1, length, heads, head_dim]."""
        (row,), (keys,), (values,) = query, key, value
        # A row for each key head, which its queries' heads share without copies of it.
        queries = row.view(len(keys), -1, *row.shape[1:])
        keys, values = (one.unsqueeze(1).expand(-1, queries.shape[1], -1, -1) for one in (keys, values))
        out = scaled_dot_product_attention(queries, keys, values, attn_mask=self.values, scale=scaling)
        return out.flatten(0, 1).transpose(0, 1).unsqueeze(0)


def grouped_attention(
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: RowMask | None,
    scaling: float,
    **_kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: query [rows, heads, length, head_dim], key and value with fewer heads.

    With a mask it is one decoding step or a tree of texts, without one a causal prefill.
    Gives [rows, length, heads, head_dim].
    """
    if attention_mask is not None:
        return attention_mask.attend(query, key, value, scaling), None
    groups = query.shape[1] // key.shape[1]
    # Copies of a prompt's heads are small, and made once a request; `is_causal` spares the mask of length by length.
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    out = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    return out.transpose(1, 2), None


# Where transformers looks up the attention that a config names; it hands our masks through as they are.
ALL_ATTENTION_FUNCTIONS.register(NAME, grouped_attention)
