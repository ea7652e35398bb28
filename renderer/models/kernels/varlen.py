"""torch's flash attention for sequences of different lengths laid behind each other; CUDA from Ampere on, 16 bits."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from torch.nn.attention.varlen import varlen_attn

if TYPE_CHECKING:
    from torch import Tensor

# torch 2.11 takes fewer key heads than query heads as they are, later ones want it said.
_SAID: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in signature(varlen_attn).parameters else {}


def flash_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_ends: Tensor,
    key_ends: Tensor,
    *,
    longest: int,
    window: int | None = None,
    scale: float | None = None,
) -> Tensor:
    """What queries [rows, length, heads, width] find in keys and values [tokens, kv heads, width] or with rows as well.

    Ends are int32, one more than there are sequences, beginning with 0; no sequence of keys is longer than `longest`.
    With a window each query looks that far to both sides. `scale` is the root of 1 / width unless given.
    """
    rows, length = query.shape[:2]
    heads, width = key.shape[-2:]
    found = varlen_attn(
        query.flatten(0, 1),
        key.reshape(-1, heads, width),
        value.reshape(-1, heads, width),
        query_ends,
        key_ends,
        length,
        longest,
        scale=scale,
        window_size=(-1, -1) if window is None else (window, window),
        **_SAID,
    )
    # A pair only where more is asked for.
    return cast("Tensor", found).view(rows, length, *query.shape[2:])
