"""transformers' Qwen3 with the same weights in fewer, larger operations: a decoding step is bound by their number.

So is reading a short text on a GPU, where the DiT waits for it. The model goes in and comes out changed in place;
what it computes stays the same up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

from renderer.models.kernels.attention import grouped_attention
from renderer.models.kernels.packed_linear import product

if TYPE_CHECKING:
    from transformers.cache_utils import Cache

    from renderer.models.kernels.attention import RowMask


def fuse(model: Any) -> None:
    """Swap attention, feed-forward and norms of a `Qwen3Model`; its parameters move into the new modules."""
    model.rotary_emb = Rotary(model.rotary_emb)
    model.norm = Norm(model.norm)
    for layer in model.layers:
        layer.self_attn = Attention(layer.self_attn)
        layer.mlp = FeedForward(layer.mlp)
        layer.input_layernorm = Norm(layer.input_layernorm)
        layer.post_attention_layernorm = Norm(layer.post_attention_layernorm)


class Norm(nn.Module):
    """RMS norm as one operation."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight, self.eps = norm.weight, norm.variance_epsilon

    def forward(self, states: Tensor) -> Tensor:
        """[..., width], normalised and scaled."""
        return rms_norm(states, self.weight.shape, self.weight, self.eps)


class Rotary(nn.Module):
    """Cosine and sine for every position, the sine's first half negated and an axis for the heads put in.

    A half rotation is then one roll: (a, b) · cos + (b, a) · (-sin, sin).
    """

    def __init__(self, rotary: nn.Module) -> None:
        super().__init__()
        self._rotary = rotary

    def forward(self, states: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Two tensors [rows, length, 1, head_dim]."""
        # Once a step, so that a layer rotates by one roll, not by halves cut apart and joined.
        cos, sin = self._rotary(states, position_ids)
        half = sin.shape[-1] // 2
        return cos.unsqueeze(2), torch.cat([-sin[..., :half], sin[..., half:]], dim=-1).unsqueeze(2)


class Attention(nn.Module):
    """Queries, keys and values from one product; norm and rotation of queries and keys together."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.head_dim, self.scaling, self._layer = attention.head_dim, attention.scaling, attention.layer_idx
        self.eps = attention.q_norm.variance_epsilon
        parts = attention.q_proj, attention.k_proj, attention.v_proj
        heads = [part.out_features // self.head_dim for part in parts]
        self.num_heads, self.num_rotated = heads[0], heads[0] + heads[1]
        self.weight = _frozen(torch.cat([part.weight for part in parts]))
        # Queries and keys get one norm and one rotation together: their weights repeated head by head, once, here.
        norms = [attention.q_norm.weight.expand(heads[0], -1), attention.k_norm.weight.expand(heads[1], -1)]
        self.norm = _frozen(torch.cat(norms))
        self.out = attention.o_proj.weight

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: RowMask | None,
        past_key_values: Cache | None = None,
        **_kwargs: Any,
    ) -> tuple[Tensor, None]:
        """As transformers calls it: [rows, length, width] in and out."""
        rows, length, _ = hidden_states.shape
        # Flat: [rows, 1, width] is to Metal a batch of vectors, 6 to 8 times slower in 16 bits: see `flat_linear`.
        states = product(hidden_states.flatten(0, 1), self.weight).view(rows, length, -1, self.head_dim)
        rotated = self.rotate(states[:, :, : self.num_rotated], *position_embeddings).transpose(1, 2)
        query, key = rotated[:, : self.num_heads], rotated[:, self.num_heads :]
        value = states[:, :, self.num_rotated :].transpose(1, 2)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self._layer)
        out, _ = grouped_attention(self, query, key, value, attention_mask, self.scaling)
        return product(out.reshape(rows * length, -1), self.out).view(rows, length, -1), None

    def rotate(self, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Queries and keys [..., heads, head_dim], normalised and turned by `Rotary`'s numbers."""
        # Without a weight of its own: the kernel takes one for all heads, and queries' and keys' differ.
        normed = rms_norm(states, (self.head_dim,), None, self.eps) * self.norm
        return torch.addcmul(normed * cos, normed.roll(self.head_dim // 2, dims=-1), sin)


class FeedForward(nn.Module):
    """Gate and up projection from one product."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.weight = _frozen(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]))
        self.down = mlp.down_proj.weight

    def forward(self, states: Tensor) -> Tensor:
        """[..., width] in and out."""
        gate, up = product(states.flatten(0, -2), self.weight).chunk(2, dim=-1)
        return product(silu(gate) * up, self.down).view(states.shape)


def _frozen(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach(), requires_grad=False)
