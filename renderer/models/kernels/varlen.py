"""torch's varlen flash attention: sequences of different lengths laid behind each other, none padded.

Where each begins and ends are numbers on the device (`cu_seqlens`), so one launch serves every length, and a CUDA graph
can be replayed for others than it was recorded with. A sequence's result depends on its own tokens alone. CUDA from
Ampere on, 16 bits.
"""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn.attention.varlen import varlen_attn

if TYPE_CHECKING:
    from torch import Tensor

# torch 2.11 takes fewer key heads than query heads as they are, later ones want it said.
_GQA: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in signature(varlen_attn).parameters else {}


def flash_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    *,
    max_seqlen: int,
    window: int | None = None,
    scale: float | None = None,
) -> Tensor:
    """Queries [rows, length, heads, width] on keys and values [tokens, kv heads, width] or with rows as well.

    `cu_seqlens` are int32, one more than there are sequences, beginning with 0; no sequence of keys is longer than
    `max_seqlen`. With a window each query looks that far to both sides. `scale` is the root of 1 / width unless given.
    """
    rows, length = query.shape[:2]
    heads, width = key.shape[-2:]
    out = varlen_attn(
        query.flatten(0, 1),
        key.reshape(-1, heads, width),
        value.reshape(-1, heads, width),
        cu_seqlens_q,
        cu_seqlens_k,
        length,
        max_seqlen,
        scale=scale,
        window_size=(-1, -1) if window is None else (window, window),
        **_GQA,
    )
    # A pair only where more is asked for.
    return cast("Tensor", out).view(rows, length, *query.shape[2:])


def cu_seqlens_of(rows: int, length: int, device: torch.device) -> Tensor:
    """Int32 [rows + 1]: where rows of one length begin and end, laid behind each other."""
    return torch.arange(rows + 1, device=device, dtype=torch.int32) * length
