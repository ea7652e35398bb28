"""Grouped-query attention without repeated key/value heads, and a cache with one position per row.

Both plug into transformers' own interfaces; they know rows, not songs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from renderer.models.kernels.varlen import flash_attention

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

NAME = "renderer_grouped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far into its cache each row hears in one decoding step: what lies beyond isn't even read.

    A row is two sequences to torch's flash attention: what it hears, which its queries ask, and the rest, which nobody
    asks. Its result depends on its own reach, not on its neighbours'.
    """

    ends: Tensor
    """int32 [2 · rows + 1]: where these sequences' keys end, the rows' caches lying behind each other."""
    asked: Tensor
    """The same of their queries."""
    groups: int
    """Query heads that share a key/value head: its queries in a step."""

    @classmethod
    def of(cls, positions: Tensor, length: int, groups: int) -> Reach:
        """From each row's position (int64 [rows]), whose token is heard too, in a cache of `length` tokens a row."""
        numbers = torch.arange(len(positions), device=positions.device)
        heard, rest = numbers * length + positions + 1, (numbers + 1) * length
        queries = (numbers + 1) * groups
        return cls(ends=_ends(heard, rest), asked=_ends(queries, queries), groups=groups)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """Query [rows, heads, 1, head_dim], key and value as `row_cache` lays them by token: [rows, heads, width]."""
        rows, heads, _, width = query.shape
        found = flash_attention(
            query.reshape(rows, -1, self.groups, width).transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            self.asked,
            self.ends,
            longest=key.shape[2],
            scale=scaling,
        )
        return found.transpose(1, 2).reshape(rows, heads, width)


def _ends(heard: Tensor, rest: Tensor) -> Tensor:
    """Two ends a row, behind a zero."""
    return pad(torch.stack([heard, rest], dim=1).flatten(), (1, 0)).to(torch.int32)


def grouped_attention(
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | Reach | None,
    scaling: float,
    **_kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: query [rows, heads, length, head_dim], key and value with fewer heads.

    With a reach or a mask (additive, [rows, 1, 1, cached]) it is one decoding step. Under a mask the query heads that
    share a key/value head become rows of one small matrix, so that the cache is read once and never copied. Without
    either it is a causal prefill.
    """
    if isinstance(attention_mask, Reach):
        return attention_mask.attend(query, key, value, scaling).unsqueeze(1), None
    groups = query.shape[1] // key.shape[1]
    if attention_mask is None:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        out = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
        return out.transpose(1, 2), None
    rows, heads, _, width = query.shape
    packed = query.reshape(rows, heads // groups, groups, width)
    mask = attention_mask.expand(rows, 1, groups, attention_mask.shape[-1])
    out = scaled_dot_product_attention(packed, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(rows, 1, heads, width), None


ALL_ATTENTION_FUNCTIONS.register(NAME, grouped_attention)


class _HeldLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped here
    """A layer's keys and values, [rows, heads, length, head_dim], in memory that is there from the start."""

    is_sliding = False

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do."""

    def get_seq_length(self) -> int:
        """Nothing lies before a prompt, and rows at work have not one number: the masks say what counts."""
        return 0

    def get_max_length(self) -> int:
        """Tokens a row holds."""
        return int(self.keys.shape[2])


class RowLayer(_HeldLayer):
    """Each row is written at its own position."""

    def __init__(self, keys: Tensor, values: Tensor, positions: Tensor) -> None:
        super().__init__(keys, values)
        rows, heads, _, width = keys.shape
        self._where = positions.view(rows, 1, 1, 1).expand(rows, heads, 1, width)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write one token a row, hand back the whole layer."""
        self.keys.scatter_(2, self._where, key_states)
        self.values.scatter_(2, self._where, value_states)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:  # noqa: ARG002 - transformers' signature
        """Length and offset of what a query may see."""
        return self.keys.shape[2], 0


class PromptLayer(_HeldLayer):
    """Rows are prompts that begin, written once as a whole."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keep the prompts' keys and values; hand them back as they came."""
        self.keys.copy_(key_states)
        self.values.copy_(value_states)
        return key_states, value_states

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of what a query may see."""
        return query_length, 0


def row_memory(config: Any, rows: int, length: int, like: Tensor, *, by_token: bool) -> list[Tensor]:
    """A layer's zeros each, [2, rows, heads, length, head_dim], keys before values, of the dtype and device of `like`.

    `by_token` lays a token's heads side by side in memory, as `Reach` reads them. Zeros, not garbage: what lies beyond
    a row's position is multiplied by a weight of 0, and 0 · NaN is NaN.
    """
    heads, width = config.num_key_value_heads, config.head_dim

    def empty() -> Tensor:
        if by_token:
            return like.new_zeros(2, rows, length, heads, width).transpose(2, 3)
        return like.new_zeros(2, rows, heads, length, width)

    return [empty() for _ in range(config.num_hidden_layers)]


def row_cache(memory: Iterable[Tensor], positions: Tensor) -> Cache:
    """`row_memory` as a cache. `positions` (int64 [rows]) are kept: writing to them moves where the next token goes."""
    return Cache(layers=[RowLayer(keys, values, positions) for keys, values in memory])


def prompt_cache(memory: Iterable[Tensor]) -> Cache:
    """`row_memory` as a cache that one prefill fills, from its beginning to its end."""
    return Cache(layers=[PromptLayer(keys, values) for keys, values in memory])


def cache_bytes(config: Any, rows: int, length: int, dtype: torch.dtype) -> int:
    """Memory that `row_memory` takes."""
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * dtype.itemsize
    return int(rows * length * per_token)
