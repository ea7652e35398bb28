"""The rows of a pass on CUDA in 16 bits: eleven kernels a layer in place of 23. With Triton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import embedding, linear

from renderer.models.ace_step.lm.decoder import fill_row
from renderer.models.kernels import row_steps, triton_elementwise
from renderer.models.kernels.kv_cache import zeros_by_token
from renderer.models.kernels.launching import compiled_together

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from torch import Tensor

    from renderer.models.ace_step.lm.decoder import ResidentLm
    from renderer.models.ace_step.lm.pass_spec import PassSpec
    from renderer.models.ace_step.lm.prefill import PromptCache


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRows:
    """Each row's cache read in pieces that are put together again; see `kernels/row_steps.py`."""

    lm: ResidentLm
    spec: PassSpec
    tokens: Tensor
    positions: Tensor
    memory: Sequence[Tensor]
    turns: tuple[Tensor, Tensor]
    """Cosines and sines [length, head_dim] of every position."""

    @classmethod
    def of(cls, lm: ResidentLm, spec: PassSpec, tokens: Tensor, positions: Tensor) -> SplitRows:
        """As `MakeRows` says."""
        every = torch.arange(spec.length, device=positions.device)[None]
        cos, sin = lm.model.model.rotary_emb(lm.weight, every)
        memory = zeros_by_token(lm.model.config, len(positions), spec.length, lm.weight)
        if lm.weight.is_cuda:
            like, layer = lm.weight[: len(positions)], lm.model.model.layers[0]
            inner = layer.mlp.down.shape[1]
            with compiled_together():
                row_steps.launch_step(like, layer.self_attn.norm, memory[0].shape, inner)
                # The prompts'.
                triton_elementwise.launch_layer(like.dtype, like.shape[1], inner, layer.self_attn.head_dim)
        return cls(
            lm=lm,
            spec=spec,
            tokens=tokens,
            positions=positions,
            memory=memory,
            turns=(cos[0, :, 0].contiguous(), sin[0, :, 0].contiguous()),
        )

    def fill(self, row: int, prompts: PromptCache, index: int) -> None:
        """As the protocol says."""
        fill_row(self.memory, row, prompts, index)

    def logits(self) -> Tensor:
        """As the protocol says."""
        model = self.lm.model.model
        states, delta = embedding(self.tokens[:, 0], model.embed_tokens.weight), None
        for layer, memory in zip(model.layers, self.memory, strict=True):
            normed = _normed(states, delta, layer.input_layernorm)
            delta = self._attention(layer.self_attn, normed, memory)
            normed = _normed(states, delta, layer.post_attention_layernorm)
            delta = linear(row_steps.gate(linear(normed, layer.mlp.weight)), layer.mlp.down)
        return self.spec.logit_slice.logits(self.lm.weight, _normed(states, delta, model.norm))

    def _attention(self, attention: Any, normed: Tensor, memory: Tensor) -> Tensor:
        states = linear(normed, attention.weight)
        query = row_steps.turn_heads(states, attention.norm, self.turns, self.positions, memory, attention.eps)
        return linear(row_steps.attend(query, memory, self.positions, attention.scaling), attention.out)


def _normed(states: Tensor, delta: Tensor | None, norm: Any) -> Tensor:
    return row_steps.add_norm(states, delta, norm.weight, norm.eps)
