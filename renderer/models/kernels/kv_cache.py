"""Keys and values in memory that is there from the start, as caches of transformers; each row has its own position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers.cache_utils import Cache, CacheLayerMixin

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch import Tensor


class _StaticLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers is untyped here
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


class RowLayer(_StaticLayer):
    """Each row is written at its own position.

    Writing again at the same position leaves the same behind, so a forward may be run again before its draw.
    """

    def __init__(self, keys: Tensor, values: Tensor, positions: Tensor) -> None:
        super().__init__(keys, values)
        rows, heads, _, width = keys.shape
        # A view, so that it moves with the positions: a step writes them in place, a graph replays on the same address.
        self._index = positions.view(rows, 1, 1, 1).expand(rows, heads, 1, width)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write one token a row, hand back the whole layer."""
        # By an index on the device: a slice would need the positions on the host, and be another launch for each row.
        self.keys.scatter_(2, self._index, key_states)
        self.values.scatter_(2, self._index, value_states)
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:  # noqa: ARG002 - transformers' signature
        """Length and offset of what a query may see."""
        return self.keys.shape[2], 0


class PromptLayer(_StaticLayer):
    """Rows are prompts that begin, written once as a whole."""

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keep the prompts' keys and values; hand them back as they came."""
        self.keys.copy_(key_states)
        self.values.copy_(value_states)
        return key_states, value_states

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of what a query may see."""
        return query_length, 0


def zeros_by_head(config: Any, rows: int, length: int, like: Tensor) -> list[Tensor]:
    """A layer's zeros each, [2, rows, heads, length, head_dim], keys before values, of dtype and device of `like`.

    Zeros, not garbage: what lies beyond a row's position is multiplied by a weight of 0, and 0 · NaN is NaN.
    """
    heads, width = config.num_key_value_heads, config.head_dim
    return [like.new_zeros(2, rows, heads, length, width) for _ in range(config.num_hidden_layers)]


def zeros_by_token(config: Any, rows: int, length: int, like: Tensor) -> list[Tensor]:
    """The same shape, a token's heads side by side in memory, as varlen attention reads them."""
    heads, width = config.num_key_value_heads, config.head_dim
    return [like.new_zeros(2, rows, length, heads, width).transpose(2, 3) for _ in range(config.num_hidden_layers)]


def row_cache(memory: Iterable[Tensor], positions: Tensor) -> Cache:
    """Such memory as a cache. `positions` (int64 [rows]) are kept: writing to them moves where the next token goes."""
    return Cache(layers=[RowLayer(keys, values, positions) for keys, values in memory])


def prompt_cache(memory: Iterable[Tensor]) -> Cache:
    """Such memory as a cache that one prefill fills, from its beginning to its end."""
    return Cache(layers=[PromptLayer(keys, values) for keys, values in memory])


def cache_bytes(config: Any, rows: int, length: int, dtype: torch.dtype) -> int:
    """Memory that such a cache takes."""
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * dtype.itemsize
    return int(rows * length * per_token)
