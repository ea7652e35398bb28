"""diffusers' DiT with the same weights in fewer, larger operations, and with what a take's steps share made once.

Keys and values of the conditions are computed once a take, not once a step; shifts and scales of a timestep are folded
into the weights beside them, once for all takes; layers with a sliding window compare each frame with its neighbourhood
only. What comes out is the plain DiT's velocity up to rounding. Source of the architecture: huggingface/diffusers,
src/diffusers/models/transformers/ace_step_transformer.py
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import linear, pad, rms_norm

from renderer.models.ace_step.dit.attention import AttentionShape
from renderer.models.ace_step.dit.layer_weights import patch_embedding, patch_projection, take_layer
from renderer.models.ace_step.dit.lyric_attention import attention_of
from renderer.models.ace_step.dit.recorded_step import RecordedStep
from renderer.models.ace_step.dit.step_inputs import CrossKV, Modulation, StepInputs, rope_tables
from renderer.models.kernels.elementwise import TORCH
from renderer.models.kernels.varlen import cu_seqlens_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from torch import Tensor

    from renderer.models.ace_step.dit.attention import LengthAttention, MakeAttention
    from renderer.models.ace_step.dit.layer_weights import LayerWeights
    from renderer.models.ace_step.dit.velocity import Conditions, Velocity
    from renderer.models.ace_step.protocol.alignment_heads import Heads
    from renderer.models.kernels.elementwise import Elementwise, Turns

GRAPH_PATCHES = 5_000  # times rows: 400 s; beyond, a step computes twice as long as its launches take
KEPT_MODULATIONS = 64  # 1.2 MB each; more timesteps than a batch's schedules have


class FusedDit:
    """A DiT whose weights were taken over from diffusers' transformer, which is empty afterwards."""

    def __init__(self, transformer: Any, *, attention: MakeAttention, elementwise: Elementwise = TORCH) -> None:
        config = transformer.config
        if config.attention_bias:
            raise ValueError("attention with biases isn't fused")
        self._shape = AttentionShape(
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=config.head_dim,
            window=config.sliding_window,
        )
        self._attention, self._elementwise = attention, elementwise
        self._eps, self._patch, self._theta = config.rms_norm_eps, config.patch_size, config.rope_theta
        self._time_embeddings = (transformer.time_embed, transformer.time_embed_r)
        self._condition_embedder = transformer.condition_embedder
        self._norm_out, self._out_table = transformer.norm_out.weight, transformer.scale_shift_table[0]
        self._proj_in = patch_embedding(transformer.proj_in_conv)
        self._proj_out = patch_projection(transformer.proj_out_conv)
        self._tables = torch.cat([layer.scale_shift_table for layer in transformer.layers])
        self._self_norms = torch.stack([layer.self_attn_norm.weight for layer in transformer.layers])
        self._mlp_norms = torch.stack([layer.mlp_norm.weight for layer in transformer.layers])
        crossings = [layer.cross_attn for layer in transformer.layers]
        self._cross_k = torch.cat([cross.to_k.weight for cross in crossings])
        self._cross_k_norm = torch.stack([cross.norm_k.weight for cross in crossings]).unsqueeze(1)
        self._cross_v = torch.cat([cross.to_v.weight for cross in crossings])
        sliding = [kind == "sliding_attention" for kind in transformer.layer_types]
        self._layers = [take_layer(transformer.layers, index, sliding=sliding[index]) for index in range(len(sliding))]
        self._modulations: dict[float, Modulation] = {}
        self._attended: tuple[Conditions, CrossKV] | None = None
        """The conditions that `attention` was last asked about."""
        self._length: LengthCache | None = None

    def velocity(self, conditions: Conditions) -> Velocity:
        """The DiT for one take; what doesn't change from step to step is made now."""
        return _TakeVelocity(self, conditions, self._length_of(conditions))

    def cross_kv(self, conditions: Conditions) -> CrossKV:
        """The conditions as the layers' cross-attention reads them, of all layers by one product."""
        tokens, null = self._condition_embedder(conditions.encoded), self._condition_embedder(conditions.null)
        by_layer = (len(self._layers), self._shape.kv_heads, self._shape.head_dim)
        keys = rms_norm(linear(tokens, self._cross_k).view(-1, *by_layer), (self._shape.head_dim,), None, self._eps)
        # Null is one token: attention to it alone gives its value, whatever the query. So no key of it is needed.
        nulls = linear(null, self._cross_v).view(by_layer).repeat_interleave(self._shape.groups, dim=1)
        outputs = [linear(value.flatten(), layer.cross_out) for value, layer in zip(nulls, self._layers, strict=True)]
        return CrossKV(
            keys=(keys * self._cross_k_norm).transpose(0, 1),
            values=linear(tokens, self._cross_v).view(-1, *by_layer).transpose(0, 1),
            cu_seqlens=cu_seqlens_of(1, tokens.shape[1], tokens.device),
            null_outputs=torch.stack(outputs)[:, None, None],
        )

    def modulation(self, timestep: float) -> Modulation:
        """What a timestep does to the layers: the same for all takes, so it is kept."""
        if timestep not in self._modulations:
            if len(self._modulations) == KEPT_MODULATIONS:
                self._modulations.clear()
            self._modulations[timestep] = self._modulate(timestep)
        return self._modulations[timestep]

    def run(self, inputs: StepInputs, length: LengthCache) -> Tensor:
        """Velocities [rows, frames, channels]; of two rows the second has the null condition."""
        rows, num_frames = inputs.latents.shape[:2]
        # One context for both rows of a guided step.
        states = self._patches(torch.cat([inputs.context.expand(rows, -1, -1), inputs.latents], dim=-1))
        normed = self._norm(states, inputs.modulation.self_norm[0])
        for index in range(len(self._layers)):
            states, query = self._within(index, states, normed, inputs.modulation, length)
            states, normed = self._beyond(index, states, query, inputs, length)
        patches = linear(normed, self._proj_out[0], inputs.modulation.out)
        return patches.reshape(rows, patches.shape[1] * self._patch, -1)[:, :num_frames]

    @torch.no_grad()
    def attention(
        self, conditions: Conditions, latents: Tensor, timestep: float, heads: Heads, tokens: slice
    ) -> Tensor:
        """See `ResidentDit.attention`."""
        length, wanted = self._length_of(conditions), tuple(layer for layer, _ in heads)
        inputs = StepInputs(
            latents=latents,
            context=conditions.context,
            modulation=self.modulation(timestep),
            cross_kv=self._first_cross_kv(conditions, max(wanted) + 1),
        )
        queries = length.launch(wanted, partial(self._queries, wanted=wanted, length=length), inputs)
        return torch.cat(
            [
                attention_of(query, inputs.cross_kv.keys[layer], own, tokens)
                for query, (layer, own) in zip(queries, heads, strict=True)
            ]
        )

    def _queries(self, inputs: StepInputs, wanted: Sequence[int], length: LengthCache) -> Tensor:
        """What patches ask the conditions in these layers: [layers, patches, heads, head width]."""
        states, found, last = self._patches(torch.cat([inputs.context, inputs.latents], dim=-1)), [], max(wanted)
        normed = self._norm(states, inputs.modulation.self_norm[0])
        for index in range(last + 1):
            states, query = self._within(index, states, normed, inputs.modulation, length)
            found += [query[0]] if index in wanted else []
            if index < last:
                states, normed = self._beyond(index, states, query, inputs, length)
        return torch.stack(found)

    def _first_cross_kv(self, conditions: Conditions, num_layers: int) -> CrossKV:
        """Of the first layers, made once for conditions that are asked about again and again."""
        if self._attended is None or self._attended[0] is not conditions:
            made = self.cross_kv(conditions)
            first = replace(
                made,
                # Copies: a view would hold all layers' memory.
                keys=made.keys[:num_layers].clone(),
                values=made.values[:num_layers].clone(),
                null_outputs=made.null_outputs[:num_layers],
            )
            self._attended = (conditions, first)
        return self._attended[1]

    def _within(
        self, index: int, states: Tensor, normed: Tensor, modulation: Modulation, length: LengthCache
    ) -> tuple[Tensor, Tensor]:
        """A layer's states, patches having attended to each other, and what they ask the conditions."""
        layer = self._layers[index]
        asked = linear(normed, layer.qkv, modulation.qkv[index])
        attended = linear(self._attend_within(layer, asked, length), layer.self_out)
        states, normed = self._add_norm(states, attended, layer.cross_norm, gate=modulation.self_gate[index])
        # Of the row with the conditions alone: what null gives is known.
        query = self._heads(linear(normed[:1], layer.cross_q))
        return states, self._elementwise.heads(query, layer.cross_q_norm, self._eps)

    def _beyond(
        self, index: int, states: Tensor, query: Tensor, inputs: StepInputs, length: LengthCache
    ) -> tuple[Tensor, Tensor]:
        """The rest of a layer: attention to the conditions, and what each patch makes of all; the states' next norm."""
        layer, modulation, cross_kv = self._layers[index], inputs.modulation, inputs.cross_kv
        # Of two rows only the first attends to the conditions: what null gives is a constant of the layer.
        crossed = linear(length.attention.across(query, cross_kv, index), layer.cross_out)
        if len(states) > 1:
            crossed = torch.cat([crossed, cross_kv.null_outputs[index].expand_as(crossed)])
        states, normed = self._add_norm(states, crossed, modulation.mlp_norm[index])
        gated = self._elementwise.gated(linear(normed, layer.gate_up, modulation.gate_up[index]))
        is_last = index + 1 == len(self._layers)
        following = modulation.norm_out if is_last else modulation.self_norm[index + 1]
        return self._add_norm(states, linear(gated, layer.down), following, gate=modulation.mlp_gate[index])

    def _length_of(self, conditions: Conditions) -> LengthCache:
        """What takes of this length share."""
        num_frames = conditions.context.shape[1]
        if self._length is None or self._length.num_frames != num_frames:
            self._length = None  # its memory goes before the new one's comes
            self._length = self._cache(num_frames, conditions.context)
        return self._length

    def _cache(self, num_frames: int, like: Tensor) -> LengthCache:
        num_patches = -(-num_frames // self._patch)
        return LengthCache(
            num_frames=num_frames,
            num_patches=num_patches,
            rope=rope_tables(num_patches, self._shape.head_dim, self._theta, like),
            attention=self._attention(self._shape, num_patches, like),
        )

    def _modulate(self, timestep: float) -> Modulation:
        time = torch.full((1,), timestep, device=self._norm_out.device, dtype=self._norm_out.dtype)
        embedded, projected = self._time_embeddings[0](time)
        # The second embedding is of the distance to the time to reach, which is none at inference.
        embedded_r, projected_r = self._time_embeddings[1](time - time)
        tables = self._tables + (projected + projected_r)
        # Of every layer at once, [layers, 6, width].
        shift, scale, self_gate, mlp_shift, mlp_scale, mlp_gate = tables.unbind(1)
        shift_out, scale_out = (self._out_table + (embedded + embedded_r)).unbind(0)
        weight_out, bias_out = self._proj_out

        def behind(shifts: Tensor, name: str) -> Tensor:
            weights = (getattr(layer, name) for layer in self._layers)
            return torch.stack([linear(*pair) for pair in zip(shifts, weights, strict=True)])

        return Modulation(
            self_norm=self._self_norms * (1 + scale),
            self_gate=self_gate.contiguous(),
            mlp_norm=self._mlp_norms * (1 + mlp_scale),
            mlp_gate=mlp_gate.contiguous(),
            qkv=behind(shift, "qkv"),
            gate_up=behind(mlp_shift, "gate_up"),
            norm_out=self._norm_out * (1 + scale_out),
            out=linear(shift_out, weight_out, bias_out),
        )

    def _patches(self, frames: Tensor) -> Tensor:
        frames = pad(frames, (0, 0, 0, -frames.shape[1] % self._patch))
        return linear(frames.reshape(frames.shape[0], frames.shape[1] // self._patch, -1), *self._proj_in)

    def _attend_within(self, layer: LayerWeights, asked: Tensor, length: LengthCache) -> Tensor:
        """Patches to each other: [rows, patches, heads · head width]."""
        heads, kv_heads = self._shape.heads, self._shape.kv_heads
        query, key, value = torch.split(self._heads(asked), [heads, kv_heads, kv_heads], dim=2)
        query = self._elementwise.heads(query, layer.q_norm, self._eps, length.rope)
        key = self._elementwise.heads(key, layer.k_norm, self._eps, length.rope)
        return length.attention.within(query, key, value, sliding=layer.sliding)

    def _heads(self, states: Tensor) -> Tensor:
        """[rows, length, heads · head width] to [rows, length, heads, head width]."""
        return states.view(*states.shape[:-1], -1, self._shape.head_dim)

    def _norm(self, states: Tensor, weight: Tensor) -> Tensor:
        return self._elementwise.norm(states, weight, self._eps)

    def _add_norm(
        self, states: Tensor, delta: Tensor, weight: Tensor, gate: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return self._elementwise.add_norm(states, delta, weight, self._eps, gate=gate)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthCache:
    """What takes of one length share."""

    num_frames: int
    num_patches: int
    rope: Turns
    attention: LengthAttention
    recordings: dict[Hashable, RecordedStep | None] = field(default_factory=dict)
    """By what is launched; None once it has run."""

    def launch(self, name: Hashable, run: Callable[[StepInputs], Tensor], inputs: StepInputs) -> Tensor:
        """`run` of the inputs; recorded and replayed where its operations end about as soon as they are launched."""
        recordings = self.recordings
        if self.attention.recordable and len(inputs.latents) * self.num_patches <= GRAPH_PATCHES:
            if name in recordings:
                recording = recordings[name] = recordings[name] or RecordedStep(run, inputs)
                return recording(inputs)
            # The first one runs as it stands: libraries set themselves up in it, which a graph can't record.
            recordings[name] = None
        return run(inputs)


class _TakeVelocity:
    """One take's DiT."""

    def __init__(self, dit: FusedDit, conditions: Conditions, length: LengthCache) -> None:
        self._dit, self._context, self._length = dit, conditions.context, length
        self._cross_kv = dit.cross_kv(conditions)

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        inputs = StepInputs(
            latents=latents,
            context=self._context,
            modulation=self._dit.modulation(timestep),
            cross_kv=self._cross_kv,
        )
        return self._length.launch(len(latents), partial(self._dit.run, length=self._length), inputs)
