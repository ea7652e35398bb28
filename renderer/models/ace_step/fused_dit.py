"""diffusers' DiT with the same weights in fewer, larger operations, and with what a take's steps share made once.

Keys and values of the conditions are computed once a take, not once a step; layers with a sliding window compare each
frame with its neighbourhood only; norms, rotations and gates are one operation each. What comes out is the plain DiT's
velocity up to rounding. Source of the architecture: huggingface/diffusers,
src/diffusers/models/transformers/ace_step_transformer.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear, pad, rms_norm, scaled_dot_product_attention, silu

if TYPE_CHECKING:
    from torch import nn

    from renderer.models.ace_step.velocity import Conditions, Velocity

GRAPH_PATCHES = 5_000  # times rows: 400 s; beyond, a step computes twice as long as its launches take


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A layer's weights, those that read the same input side by side."""

    modulation: Tensor
    """[6, width], added to the time's."""
    self_norm: Tensor
    qkv: Tensor
    qk_norm: Tensor
    """[heads + kv heads, head width]."""
    self_out: Tensor
    cross_norm: Tensor
    cross_q: Tensor
    cross_q_norm: Tensor
    cross_k: Tensor
    cross_k_norm: Tensor
    cross_v: Tensor
    cross_out: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor
    sliding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A take's conditions as the layers' cross-attention reads them."""

    keys: tuple[Tensor, ...]
    """For each layer [1, kv heads, tokens, head width]."""
    values: tuple[Tensor, ...]
    nulls: Tensor
    """[layers, 1, 1, width], what null gives: attending to equal keys gives their value, however many there are."""

    def attend(self, layer: int, query: Tensor) -> Tensor:
        """What the queries [1, patches, heads, head width] find: [1, patches, heads · head width]."""
        key, value = self.keys[layer], self.values[layer]
        out = scaled_dot_product_attention(query.transpose(1, 2), key, value, enable_gqa=query.shape[2] != key.shape[1])
        return out.transpose(1, 2).flatten(2)


Attend = Callable[[int, Tensor], Tensor]
"""`Heard.attend`, or what stands for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What follows from a take's length alone."""

    cos: Tensor
    """[patches, 1, head width]."""
    sin: Tensor
    """The same, its first half negated: a half rotation is then one roll."""
    num_patches: int
    mask: Tensor | None
    """[blocks, 1, 2 · block, 3 · block], additive; None when the window spans the whole take."""


class FusedDit:
    """A DiT whose weights were taken over from diffusers' transformer, which is empty afterwards."""

    def __init__(self, transformer: Any) -> None:
        config = transformer.config
        if config.attention_bias:
            raise ValueError("attention with biases isn't fused")
        self.heads, self.kv_heads, self.head_dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        self.eps, self.patch, self.window = config.rms_norm_eps, config.patch_size, config.sliding_window
        self.theta = config.rope_theta
        self.times = (transformer.time_embed, transformer.time_embed_r)
        self.condition_embedder = transformer.condition_embedder
        self.norm_out, self.out_modulation = transformer.norm_out.weight, transformer.scale_shift_table[0]
        self.proj_in, self.proj_out = _as_linear_in(transformer.proj_in_conv), _as_linear_out(transformer.proj_out_conv)
        sliding = [kind == "sliding_attention" for kind in transformer.layer_types]
        self.blocks = [_take_block(transformer.layers, index, sliding[index]) for index in range(len(sliding))]
        self.modulations = torch.stack([block.modulation for block in self.blocks])
        self._length: Length | None = None

    def velocity(self, conditions: Conditions) -> Velocity:
        """The DiT for one take; what doesn't change from step to step is made now."""
        num_frames = conditions.context.shape[1]
        if self._length is None or self._length.num_frames != num_frames:
            self._length = None  # its memory goes before the new one's comes
            self._length = Length(
                num_frames=num_frames, places=self.places(-(-num_frames // self.patch), conditions.context)
            )
        return _Fused(self, conditions, self._length)

    def heard(self, conditions: Conditions) -> Heard:
        """The conditions as the layers read them."""
        tokens = self.condition_embedder(conditions.encoded)
        null = self.condition_embedder(conditions.null)
        return Heard(
            keys=tuple(self._key(block, tokens) for block in self.blocks),
            values=tuple(self._heads(linear(tokens, block.cross_v)).transpose(1, 2) for block in self.blocks),
            nulls=torch.stack([self._null(block, null) for block in self.blocks]),
        )

    def _key(self, block: Block, tokens: Tensor) -> Tensor:
        key = self._heads(linear(tokens, block.cross_k))
        return rms_norm(key, (self.head_dim,), block.cross_k_norm, self.eps).transpose(1, 2)

    def _null(self, block: Block, null: Tensor) -> Tensor:
        alone = self._heads(linear(null, block.cross_v))
        spread = alone.repeat_interleave(self.heads // self.kv_heads, dim=2).flatten(2)
        return linear(spread, block.cross_out)

    def places(self, num_patches: int, like: Tensor) -> Places:
        """Rotations and the window's mask for a length."""
        frequency = self.theta ** -(torch.arange(0, self.head_dim, 2, device=like.device).float() / self.head_dim)
        angle = torch.arange(num_patches, device=like.device).float()[:, None] * frequency
        cos, sin = angle.cos(), angle.sin()
        return Places(
            cos=torch.cat([cos, cos], dim=-1)[:, None].to(like.dtype),
            sin=torch.cat([-sin, sin], dim=-1)[:, None].to(like.dtype),
            num_patches=num_patches,
            mask=self._mask(num_patches, like),
        )

    def _mask(self, num_patches: int, like: Tensor) -> Tensor | None:
        """Which of the block before, its own and the block behind each patch of a block hears."""
        block = self.window
        if num_patches <= block + 1:
            return None
        num_blocks = -(-num_patches // block)
        query = torch.arange(block, device=like.device)[:, None] + block
        key = torch.arange(3 * block, device=like.device)[None]
        near = (query - key).abs() <= block
        place = key + (torch.arange(num_blocks, device=like.device)[:, None, None] - 1) * block
        allowed = near & (place >= 0) & (place < num_patches)
        # Patches that only fill the last block up hear themselves: a row without any key would be NaN.
        allowed |= query == key
        mask = torch.zeros(allowed.shape, device=like.device, dtype=like.dtype).masked_fill_(~allowed, float("-inf"))
        groups = self.heads // self.kv_heads
        return mask.repeat(1, groups, 1)[:, None]

    def run(
        self, latents: Tensor, time: Tensor, context: Tensor, attend: Attend, nulls: Tensor, places: Places
    ) -> Tensor:
        """Velocities [rows, frames, channels]; all rows are at the same `time` [1]."""
        rows, num_frames = latents.shape[:2]
        states = self._patches(torch.cat([context.expand(rows, -1, -1), latents], dim=-1))
        modulations, out_modulation = self._modulations(time)
        for layer, block in enumerate(self.blocks):
            shift, scale, gate, *mlp_modulation = modulations[layer].unbind(0)
            inner = torch.addcmul(shift, self._norm(states, block.self_norm), 1 + scale)
            states = torch.addcmul(states, self._attend_self(block, inner, places), gate)
            found = linear(attend(layer, self._query(block, states)), block.cross_out)
            states = states + (found if rows == 1 else torch.cat([found, nulls[layer].expand_as(found)]))
            states = self._mlp(block, states, mlp_modulation)
        shift, scale = out_modulation
        states = torch.addcmul(shift, self._norm(states, self.norm_out), 1 + scale)
        return linear(states, *self.proj_out).reshape(rows, states.shape[1] * self.patch, -1)[:, :num_frames]

    def _patches(self, frames: Tensor) -> Tensor:
        frames = pad(frames, (0, 0, 0, -frames.shape[1] % self.patch))
        return linear(frames.reshape(frames.shape[0], frames.shape[1] // self.patch, -1), *self.proj_in)

    def _modulations(self, time: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """[layers, 6, width] and the output's shift and scale."""
        embedded, projected = self.times[0](time)
        embedded_r, projected_r = self.times[1](time - time)
        return self.modulations + (projected + projected_r), (self.out_modulation + (embedded + embedded_r)).unbind(0)

    def _query(self, block: Block, states: Tensor) -> Tensor:
        """What the row that hears the conditions asks them: [1, patches, heads, head width]."""
        query = self._heads(linear(self._norm(states, block.cross_norm)[:1], block.cross_q))
        return rms_norm(query, (self.head_dim,), block.cross_q_norm, self.eps)

    def _mlp(self, block: Block, states: Tensor, modulation: list[Tensor]) -> Tensor:
        shift, scale, gate = modulation
        inner = torch.addcmul(shift, self._norm(states, block.mlp_norm), 1 + scale)
        gated, up = linear(inner, block.gate_up).chunk(2, dim=-1)
        return torch.addcmul(states, linear(silu(gated) * up, block.down), gate)

    def _attend_self(self, block: Block, states: Tensor, places: Places) -> Tensor:
        qkv = self._heads(linear(states, block.qkv))
        rotated = rms_norm(qkv[:, :, : self.heads + self.kv_heads], (self.head_dim,), None, self.eps) * block.qk_norm
        rotated = torch.addcmul(rotated * places.cos, rotated.roll(self.head_dim // 2, dims=-1), places.sin)
        query, key = rotated[:, :, : self.heads], rotated[:, :, self.heads :]
        value = qkv[:, :, self.heads + self.kv_heads :]
        if block.sliding and places.mask is not None:
            return linear(self._near(query, key, value, places.mask), block.self_out)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        out = scaled_dot_product_attention(query, key, value, enable_gqa=self.heads != self.kv_heads)
        return linear(out.transpose(1, 2).flatten(2), block.self_out)

    def _near(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """Attention within the window, block by block against three blocks; query heads of one key side by side."""
        rows, num_patches = query.shape[:2]
        size, num_blocks, groups = self.window, mask.shape[0], self.heads // self.kv_heads
        filled = num_blocks * size - num_patches
        query = pad(query, (0, 0, 0, 0, 0, filled)).view(rows * num_blocks, size, self.kv_heads, groups, self.head_dim)
        query = query.permute(0, 2, 3, 1, 4).flatten(2, 3)
        key, value = (_three_blocks(pad(part, (0, 0, 0, 0, size, size + filled)), size) for part in (key, value))
        out = scaled_dot_product_attention(query, key, value, attn_mask=mask.repeat(rows, 1, 1, 1))
        out = out.view(rows * num_blocks, self.kv_heads, groups, size, self.head_dim).permute(0, 3, 1, 2, 4)
        return out.reshape(rows, num_blocks * size, -1)[:, :num_patches]

    def _heads(self, states: Tensor) -> Tensor:
        """[rows, length, heads · head width] to [rows, length, heads, head width]."""
        return states.view(*states.shape[:-1], -1, self.head_dim)

    def _norm(self, states: Tensor, weight: Tensor) -> Tensor:
        return rms_norm(states, weight.shape, weight, self.eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """What takes of one length share."""

    num_frames: int
    places: Places
    recordings: dict[int, _Recording | None] = field(default_factory=dict)
    """By number of rows; None once a step of so many has run."""


class _Fused:
    """One take's DiT; a step whose operations end about as soon as they are launched is recorded and replayed."""

    def __init__(self, dit: FusedDit, conditions: Conditions, length: Length) -> None:
        self._dit, self._context, self._length = dit, conditions.context, length
        self._heard = dit.heard(conditions)

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        time = torch.full((1,), timestep, device=latents.device, dtype=latents.dtype)
        rows, places, recordings = len(latents), self._length.places, self._length.recordings
        if latents.device.type != "cuda" or rows * places.num_patches > GRAPH_PATCHES:
            return self._run(latents, time)
        if rows not in recordings:
            # The first step runs as it stands: libraries set themselves up in it, which a graph can't record.
            recordings[rows] = None
            return self._run(latents, time)
        recording = recordings[rows] = recordings[rows] or _Recording(self._dit, latents, self._context, places)
        return recording(latents, time, self._context, self._heard)

    def _run(self, latents: Tensor, time: Tensor) -> Tensor:
        heard = self._heard
        return self._dit.run(latents, time, self._context, heard.attend, heard.nulls, self._length.places)


class _Recording:
    """A step as CUDA graphs, the same kernels launched together, for all takes of its length.

    They are cut where a layer attends to the conditions, whose number of tokens is the take's own.
    """

    def __init__(self, dit: FusedDit, latents: Tensor, context: Tensor, places: Places) -> None:
        self._latents, self._context = torch.empty_like(latents), torch.empty_like(context)
        self._time = latents.new_empty(1)
        self._nulls = latents.new_empty(len(dit.blocks), 1, 1, len(dit.norm_out))
        self._query = latents.new_empty(1, places.num_patches, dit.heads, dit.head_dim)
        self._found = self._query.flatten(2).clone()
        # Its own: torch gives up when a pool is asked for whose graphs have all ended.
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: list[torch.cuda.CUDAGraph] = []
        # Not torch.cuda.graph: for each of the pieces it would give all free memory back, the host's too.
        torch.cuda.synchronize(latents.device)
        with torch.cuda.stream(_recording_stream(latents.device)):
            self._begin()
            try:
                self._out = dit.run(self._latents, self._time, self._context, self._cut, self._nulls, places)
            finally:
                self._graphs[-1].capture_end()

    def __call__(self, latents: Tensor, time: Tensor, context: Tensor, heard: Heard) -> Tensor:
        self._latents.copy_(latents)
        self._time.copy_(time)
        self._context.copy_(context)
        self._nulls.copy_(heard.nulls)
        *pieces, last = self._graphs
        for layer, piece in enumerate(pieces):
            piece.replay()
            self._found.copy_(heard.attend(layer, self._query))
        last.replay()
        return self._out.clone()

    def _begin(self) -> None:
        graph = torch.cuda.CUDAGraph()
        # What other threads do meanwhile is nothing to the recording.
        graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        self._graphs.append(graph)

    def _cut(self, layer: int, query: Tensor) -> Tensor:  # noqa: ARG002 - `Heard.attend` in this place
        """End a piece with the layer's queries, begin the next with what they find."""
        self._query.copy_(query)
        self._graphs[-1].capture_end()
        self._begin()
        return self._found


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings: libraries keep memory for each stream they have worked on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own gap


def _three_blocks(padded: Tensor, size: int) -> Tensor:
    """[rows, size · (blocks + 2), heads, width] to [rows · blocks, heads, 3 · size, width]."""
    return padded.unfold(1, 3 * size, size).permute(0, 1, 2, 4, 3).flatten(0, 1)


def _take_block(layers: nn.ModuleList, index: int, sliding: bool) -> Block:
    """A layer's weights; diffusers' module is dropped, so that the whole is never held twice."""
    layer: Any = layers[index]
    attention, cross, mlp = layer.self_attn, layer.cross_attn, layer.mlp
    heads = [
        attention.norm_q.weight.expand(attention.heads, -1),
        attention.norm_k.weight.expand(attention.kv_heads, -1),
    ]
    block = Block(
        modulation=layer.scale_shift_table[0],
        self_norm=layer.self_attn_norm.weight,
        qkv=torch.cat([attention.to_q.weight, attention.to_k.weight, attention.to_v.weight]),
        qk_norm=torch.cat(heads),
        self_out=attention.to_out[0].weight,
        cross_norm=layer.cross_attn_norm.weight,
        cross_q=cross.to_q.weight,
        cross_q_norm=cross.norm_q.weight,
        cross_k=cross.to_k.weight,
        cross_k_norm=cross.norm_k.weight,
        cross_v=cross.to_v.weight,
        cross_out=cross.to_out[0].weight,
        mlp_norm=layer.mlp_norm.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        down=mlp.down_proj.weight,
        sliding=sliding,
    )
    layers[index] = torch.nn.Identity()
    return block


def _as_linear_in(conv: Any) -> tuple[Tensor, Tensor]:
    """A convolution whose stride is its width, as one matrix over a patch's frames."""
    return conv.weight.permute(0, 2, 1).flatten(1).contiguous(), conv.bias


def _as_linear_out(conv: Any) -> tuple[Tensor, Tensor]:
    """The same for its transpose: a patch's frames from one matrix."""
    weight = conv.weight.permute(2, 1, 0).flatten(0, 1).contiguous()
    return weight, conv.bias.repeat(conv.weight.shape[2])
