"""What chosen heads of a DiT's cross-attention attend to, written out: of no other head, and of no other token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def attention_of(query: Tensor, key: Tensor, heads: Sequence[int], tokens: slice) -> Tensor:
    """Float32 [heads, tokens, patches] of a layer's normed queries and keys.

    `query` is [patches, heads, head width], `key` [all tokens, kv heads, head width]; shares are of all tokens.
    """
    groups = query.shape[1] // key.shape[1]
    found = []
    # One head at a time: patches times all tokens are the largest thing here.
    for head in heads:
        scores = query[:, head] @ key[:, head // groups].T * query.shape[-1] ** -0.5
        found.append(torch.softmax(scores, dim=-1, dtype=torch.float32)[:, tokens].T)
    return torch.stack(found)
