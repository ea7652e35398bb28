"""transformers' Qwen3 with the same weights in fewer, larger operations: a decoding step is bound by their number.

So is reading a short text on a GPU, where the DiT waits for it. The model goes in and comes out changed in place;
what it computes stays the same up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from renderer.models.kernels.attention import grouped_attention
from renderer.models.kernels.elementwise import TORCH
from renderer.models.kernels.packed_linear import product

if TYPE_CHECKING:
    from transformers.cache_utils import Cache

    from renderer.models.kernels.attention import RowMask
    from renderer.models.kernels.elementwise import Elementwise


def fuse(model: Any, elementwise: Elementwise = TORCH) -> None:
    """Swap attention, feed-forward and norms of a `Qwen3Model`; its parameters move into the new modules."""
    model.rotary_emb = Rotary(model.rotary_emb)
    model.norm = Norm(model.norm, elementwise)
    for layer in model.layers:
        layer.self_attn = Attention(layer.self_attn, elementwise)
        layer.mlp = FeedForward(layer.mlp, elementwise)
        layer.input_layernorm = Norm(layer.input_layernorm, elementwise)
        layer.post_attention_layernorm = Norm(layer.post_attention_layernorm, elementwise)


def forward_row(model: Any, ids: Tensor, positions: Tensor, mask: RowMask, elementwise: Elementwise) -> Tensor:
    """Hidden states [length, width] of one row of a fused `Qwen3Model`, without a cache.

    As the model's own forward computes them, in a third of the host's time: a device waits for that.
    """
    states = model.embed_tokens(ids[None])
    turns = model.rotary_emb(states, positions[None])
    norms = [*(layer.input_layernorm for layer in model.layers[1:]), model.norm]
    normed = model.layers[0].input_layernorm(states)
    for layer, following in zip(model.layers, norms, strict=True):
        behind = layer.post_attention_layernorm
        attended, _ = layer.self_attn(normed, turns, mask)
        states, normed = elementwise.add_norm(states, attended, behind.weight, behind.eps)
        states, normed = elementwise.add_norm(states, layer.mlp(normed), following.weight, following.eps)
    return cast("Tensor", normed[0])


class Norm(nn.Module):
    """RMS norm as one operation."""

    def __init__(self, norm: Any, elementwise: Elementwise) -> None:
        super().__init__()
        self.weight, self.eps, self._elementwise = norm.weight, norm.variance_epsilon, elementwise

    def forward(self, states: Tensor) -> Tensor:
        """[..., width], normalised and scaled."""
        return self._elementwise.norm(states, self.weight, self.eps)


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

    def __init__(self, attention: Any, elementwise: Elementwise) -> None:
        super().__init__()
        self._elementwise = elementwise
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
        return self._elementwise.heads(states, self.norm, self.eps, (cos, sin))


class FeedForward(nn.Module):
    """Gate and up projection from one product."""

    def __init__(self, mlp: Any, elementwise: Elementwise) -> None:
        super().__init__()
        self._elementwise = elementwise
        self.weight = _frozen(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]))
        self.down = mlp.down_proj.weight

    def forward(self, states: Tensor) -> Tensor:
        """[..., width] in and out."""
        both = product(states.flatten(0, -2), self.weight)
        return product(self._elementwise.gated(both), self.down).view(states.shape)


def _frozen(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach(), requires_grad=False)
