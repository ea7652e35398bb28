"""Grouped-query attention without repeated key/value heads, and a cache with one position per row.

Both plug into transformers' own interfaces; they know rows, not songs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

if TYPE_CHECKING:
    from torch import Tensor

NAME = "renderer_grouped"


def grouped_attention(
    _module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: query [rows, heads, length, head_dim], key and value with fewer heads.

    With a mask (additive, [rows, 1, 1, cached]) it is one decoding step: the query heads that share a key/value head
    become rows of one small matrix, so that the cache is read once and never copied. Without, a causal prefill.
    """
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


class RowLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped here
    """A layer's keys and values, [rows, heads, length, head_dim], each row written at its own position."""

    is_sliding = False

    def __init__(self, keys: Tensor, values: Tensor, positions: Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values
        self.is_initialized = True
        rows, heads, _, width = keys.shape
        self._where = positions.view(rows, 1, 1, 1).expand(rows, heads, 1, width)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the memory is there from the start."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write one token a row, hand back the whole layer."""
        self.keys.scatter_(2, self._where, key_states)
        self.values.scatter_(2, self._where, value_states)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:  # noqa: ARG002 - transformers' signature
        """Length and offset of what a query may see."""
        return self.keys.shape[2], 0

    def get_seq_length(self) -> int:
        """Not one number here; the masks say what counts."""
        return 0

    def get_max_length(self) -> int:
        """Tokens a row holds."""
        return int(self.keys.shape[2])


def row_cache(config: Any, positions: Tensor, length: int, dtype: torch.dtype) -> Cache:
    """A cache of `length` tokens for each of `positions`' rows (int64 [rows]), zeroed.

    `positions` is kept: writing to it moves where the next token goes.
    """
    shape = (positions.shape[0], config.num_key_value_heads, length, config.head_dim)

    def empty() -> Tensor:
        # Zeros, not garbage: what lies beyond a row's position is multiplied by a weight of 0, and 0 · NaN is NaN.
        return torch.zeros(shape, dtype=dtype, device=positions.device)

    return Cache(layers=[RowLayer(empty(), empty(), positions) for _ in range(config.num_hidden_layers)])


def cache_bytes(config: Any, rows: int, length: int, dtype: torch.dtype) -> int:
    """Memory that `row_cache` takes."""
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * dtype.itemsize
    return int(rows * length * per_token)
