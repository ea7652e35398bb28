"""diffusers' DiT layer by layer, with what a take's steps share made once: the same bits as its own forward.

Its forward makes the sliding window's mask anew at every step, by way of int64 matrices twice as large as the mask or
more; here a take makes it once, block by block. Source of the order of operations: huggingface/diffusers,
src/diffusers/models/transformers/ace_step_transformer.py
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch.nn.functional import pad

from renderer.models.ace_step.dit.lyric_attention import attention_of
from renderer.models.ace_step.needs import MASK_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from renderer.models.ace_step.dit.velocity import Conditions, Velocity
    from renderer.models.ace_step.protocol.alignment_heads import Heads


@dataclass(frozen=True, slots=True)
class PlainDit:
    """diffusers' transformer, whose layers compute as they stand."""

    transformer: Any

    def velocity(self, conditions: Conditions) -> Velocity:
        """The DiT for one take; mask and rotations of its length are made now."""
        return _Plain(self.transformer, conditions)

    def attention(
        self, conditions: Conditions, latents: Tensor, timestep: float, heads: Heads, tokens: slice
    ) -> Tensor:
        """See `ResidentDit.attention`."""
        return _Plain(self.transformer, conditions).attention(latents, timestep, dict(heads), tokens)


class _Plain:
    def __init__(self, transformer: Any, conditions: Conditions) -> None:
        self._transformer, self._conditions = transformer, conditions
        num_patches = -(-conditions.context.shape[1] // transformer.patch_size)
        self._rotations = _rotations(transformer, num_patches, conditions.context)
        self._masks = _masks(transformer, num_patches, conditions.context)
        # The condition embedder's output by number of rows: its own forward would make it anew at every step.
        self._condition_states: dict[int, Tensor] = {}

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        transformer = self._transformer
        time, states = self._through(latents, timestep, len(transformer.layers))
        shift, scale = (transformer.scale_shift_table + time.unsqueeze(1)).chunk(2, dim=1)
        states = (transformer.norm_out(states) * (1 + scale) + shift).type_as(states)
        frames: Tensor = transformer.proj_out_conv(states.transpose(1, 2)).transpose(1, 2)
        return frames[:, : latents.shape[1]]

    def attention(
        self, latents: Tensor, timestep: float, heads: Mapping[int, tuple[int, ...]], tokens: slice
    ) -> Tensor:
        """See `ResidentDit.attention`: read where it enters each layer's cross-attention."""
        found: dict[int, Tensor] = {}

        def read(layer: int, module: Any, _: Any, inputs: Mapping[str, Any]) -> None:
            query, key = (
                norm(to(states)[0].unflatten(-1, (-1, module.head_dim)))
                for norm, to, states in (
                    (module.norm_q, module.to_q, inputs["hidden_states"]),
                    (module.norm_k, module.to_k, inputs["encoder_hidden_states"]),
                )
            )
            found[layer] = attention_of(query, key, heads[layer], tokens)

        crossings = {layer: self._transformer.layers[layer].cross_attn for layer in heads}
        reading = [
            cross.register_forward_pre_hook(partial(read, layer), with_kwargs=True)
            for layer, cross in crossings.items()
        ]
        try:
            self._through(latents, timestep, max(heads) + 1)
        finally:
            for hook in reading:
                hook.remove()
        return torch.cat([found[layer] for layer in heads])

    def _through(self, latents: Tensor, timestep: float, num_layers: int) -> tuple[Tensor, Tensor]:
        """The time's embedding, and the patches as the first layers leave them."""
        transformer, rows = self._transformer, len(latents)
        time, modulation = self._times(timestep * torch.ones((rows,), device=latents.device, dtype=latents.dtype))
        states = self._patches(latents)
        for layer, mask in zip(transformer.layers[:num_layers], self._masks[:num_layers], strict=True):
            states = layer(
                hidden_states=states,
                position_embeddings=self._rotations,
                temb=modulation,
                attention_mask=mask,
                encoder_hidden_states=self._conditions_of(rows),
            )
        return time, states

    def _times(self, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of the time and of its distance to the one to reach, which is none at inference."""
        time, modulation = self._transformer.time_embed(timestep)
        distance, by_distance = self._transformer.time_embed_r(timestep - timestep)
        return time + distance, modulation + by_distance

    def _patches(self, latents: Tensor) -> Tensor:
        """[rows, patches, width]; the last patch is filled up with zeros."""
        frames = torch.cat([self._conditions.context.expand(len(latents), -1, -1), latents], dim=-1)
        filled = pad(frames, (0, 0, 0, -frames.shape[1] % self._transformer.patch_size))
        patches: Tensor = self._transformer.proj_in_conv(filled.transpose(1, 2)).transpose(1, 2)
        return patches

    def _conditions_of(self, rows: int) -> Tensor:
        """[rows, tokens, width]: the conditions, of two rows the second null."""
        if rows not in self._condition_states:
            encoded = self._conditions.encoded
            rows_encoded = [encoded, self._conditions.null.expand_as(encoded)][:rows]
            self._condition_states[rows] = self._transformer.condition_embedder(torch.cat(rows_encoded))
        return self._condition_states[rows]


def _rotations(transformer: Any, num_patches: int, like: Tensor) -> tuple[Tensor, Tensor]:
    places = torch.arange(num_patches, device=like.device, dtype=torch.float32)
    cos, sin = get_1d_rotary_pos_embed(
        transformer.head_dim, places, theta=transformer.rope_theta, use_real=True, repeat_interleave_real=False
    )
    return cos.to(like.dtype), sin.to(like.dtype)


def _masks(transformer: Any, num_patches: int, like: Tensor) -> list[Tensor | None]:
    """What each layer's attention is masked with: one mask for all that slide, none for the others."""
    sliding = [kind == "sliding_attention" for kind in transformer.layer_types]
    mask = window_mask(num_patches, transformer.config.sliding_window, like) if any(sliding) else None
    return [mask if slides else None for slides in sliding]


def window_mask(num_patches: int, window: int, like: Tensor) -> Tensor:
    """[1, 1, patches, patches], additive: a patch attends to those at most `window` away, whatever its dtype can reach.

    Made some rows at a time, so that nothing as large as the mask lies beside it.
    """
    places = torch.arange(num_patches, device=like.device)
    # The dtype's lowest number, not -inf, as diffusers' own mask has it.
    lowest = torch.finfo(like.dtype).min
    mask = torch.full((num_patches, num_patches), lowest, device=like.device, dtype=like.dtype)
    for start in range(0, num_patches, MASK_ROWS):
        rows = slice(start, start + MASK_ROWS)
        mask[rows].masked_fill_((places - places[rows, None]).abs() <= window, 0.0)
    return mask[None, None]
