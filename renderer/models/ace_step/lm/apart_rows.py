"""The rows of a pass on a CPU: layers without transformers between them, each row's attention by itself.

A row's own position alone says how much of its cache is read, in which shape. What the furthest row needs would do for
all in one operation, but a BLAS sums other lengths in other blocks: with the 4B LM's heads, bits followed neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import embedding, scaled_dot_product_attention, silu

from renderer.models.ace_step.lm.decoder import fill_row
from renderer.models.kernels.kv_cache import zeros_by_head
from renderer.models.kernels.packed_linear import packed, product

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from torch import Tensor

    from renderer.models.ace_step.lm.decoder import ResidentLm
    from renderer.models.ace_step.lm.pass_spec import PassSpec
    from renderer.models.ace_step.lm.prefill import PromptCache

    Row = tuple[Tensor, Tensor]
    """A row's keys and values of one layer, [1, kv heads, length, head_dim] each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApartRows:
    """See the module."""

    lm: ResidentLm
    spec: PassSpec
    tokens: Tensor
    positions: Tensor
    memory: Sequence[Tensor]
    rows: Sequence[Sequence[Row]]
    """Of each layer, the same memory row by row."""
    turns: tuple[Tensor, Tensor]
    """Cosines and sines [length, 1, head_dim] of every position."""
    head: Sequence[Tensor]
    """The output layer's parts that the pass evaluates, as `product` takes them."""

    @classmethod
    def of(cls, lm: ResidentLm, spec: PassSpec, tokens: Tensor, positions: Tensor) -> ApartRows:
        """As `MakeRows` says."""
        cos, sin = lm.model.model.rotary_emb(lm.weight, torch.arange(spec.length)[None])
        memory = zeros_by_head(lm.model.config, len(positions), spec.length, lm.weight)
        return cls(
            lm=lm,
            spec=spec,
            tokens=tokens,
            positions=positions,
            memory=memory,
            rows=[[(keys[None], values[None]) for keys, values in layer.unbind(1)] for layer in memory],
            turns=(cos[0], sin[0]),
            head=[packed(part, len(positions)) if lm.is_packed else part for part in spec.logit_slice.parts(lm.weight)],
        )

    def fill(self, row: int, prompts: PromptCache, index: int) -> None:
        """As the protocol says."""
        fill_row(self.memory, row, prompts, index)

    def logits(self) -> Tensor:
        """As the protocol says."""
        model = self.lm.model.model
        states = embedding(self.tokens[:, 0], model.embed_tokens.weight)
        turns = self.turns[0][self.positions], self.turns[1][self.positions]
        used = [position + 1 for position in self.positions.tolist()]
        for index, layer in enumerate(model.layers):
            states = states + self._attention(layer.self_attn, layer.input_layernorm(states), index, turns, used)
            gate, up = product(layer.post_attention_layernorm(states), layer.mlp.weight).chunk(2, dim=-1)
            states = states + product(silu(gate) * up, layer.mlp.down)
        normed = model.norm(states)
        return torch.cat([product(normed, part) for part in self.head], dim=-1).float()

    def _attention(
        self, attention: Any, normed: Tensor, index: int, turns: tuple[Tensor, Tensor], used: Sequence[int]
    ) -> Tensor:
        num_rows = len(normed)
        states = product(normed, attention.weight).view(num_rows, -1, attention.head_dim)
        turned = attention.rotate(states[:, : attention.num_rotated], *turns)
        keys, values = self.memory[index]
        place = torch.arange(num_rows), slice(None), self.positions
        keys[place], values[place] = turned[:, attention.num_heads :], states[:, attention.num_rotated :]
        # Query heads that share a key/value head are rows of one small matrix, so the cache is never copied.
        queries = turned[:, : attention.num_heads].reshape(num_rows, 1, keys.shape[1], -1, attention.head_dim)
        attended = [
            scaled_dot_product_attention(query, key[:, :, :end], value[:, :, :end], scale=attention.scaling)
            for query, (key, value), end in zip(queries, self.rows[index], used, strict=True)
        ]
        return product(torch.cat(attended).view(num_rows, -1), attention.out)
