"""diffusers' DiT with the same weights in fewer, larger operations, and with what a take's steps share made once.

Keys and values of the conditions are computed once a take, not once a step; layers with a sliding window compare each
frame with its neighbourhood only; norms, rotations and gates are one operation each. What comes out is the plain DiT's
velocity up to rounding. Source of the architecture: huggingface/diffusers,
src/diffusers/models/transformers/ace_step_transformer.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import linear, pad, rms_norm, scaled_dot_product_attention, silu

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from renderer.models.ace_step.velocity import Conditions, Velocity

GRAPH_PATCHES = 2_000  # times rows: 160 s; beyond, a step computes longer than its launches take


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
    """The conditions for one layer: keys and values [1, kv heads, tokens, head width], and what null gives."""

    key: Tensor
    value: Tensor
    null: Tensor
    """[1, 1, width]: attending to equal keys gives their value, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What follows from a take's length alone."""

    cos: Tensor
    """[patches, 1, head width]."""
    sin: Tensor
    """The same, its first half negated: a half rotation is then one roll."""
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

    def velocity(self, conditions: Conditions) -> Velocity:
        """The DiT for one take; what doesn't change from step to step is made now."""
        return _Fused(self, conditions)

    def heard(self, conditions: Conditions) -> list[Heard]:
        """The conditions as each layer's cross-attention reads them."""
        tokens = self.condition_embedder(conditions.encoded)
        null = self.condition_embedder(conditions.null)
        return [self._heard(block, tokens, null) for block in self.blocks]

    def _heard(self, block: Block, tokens: Tensor, null: Tensor) -> Heard:
        key = self._heads(linear(tokens, block.cross_k))
        key = rms_norm(key, (self.head_dim,), block.cross_k_norm, self.eps)
        value = self._heads(linear(tokens, block.cross_v))
        alone = self._heads(linear(null, block.cross_v))
        spread = alone.repeat_interleave(self.heads // self.kv_heads, dim=2).flatten(2)
        return Heard(key=key.transpose(1, 2), value=value.transpose(1, 2), null=linear(spread, block.cross_out))

    def places(self, num_patches: int, like: Tensor) -> Places:
        """Rotations and the window's mask for a length."""
        frequency = self.theta ** -(torch.arange(0, self.head_dim, 2, device=like.device).float() / self.head_dim)
        angle = torch.arange(num_patches, device=like.device).float()[:, None] * frequency
        cos, sin = angle.cos(), angle.sin()
        return Places(
            cos=torch.cat([cos, cos], dim=-1)[:, None].to(like.dtype),
            sin=torch.cat([-sin, sin], dim=-1)[:, None].to(like.dtype),
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

    def run(self, latents: Tensor, time: Tensor, context: Tensor, heard: list[Heard], places: Places) -> Tensor:
        """Velocities [rows, frames, channels]; all rows are at the same `time` [1]."""
        rows, num_frames = latents.shape[:2]
        states = self._patches(torch.cat([context.expand(rows, -1, -1), latents], dim=-1))
        modulations, out_modulation = self._modulations(time)
        for block, modulation, layer in zip(self.blocks, modulations, heard, strict=True):
            states = self._block(block, states, modulation, layer, places)
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

    def _block(self, block: Block, states: Tensor, modulation: Tensor, heard: Heard, places: Places) -> Tensor:
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation.unbind(0)
        inner = torch.addcmul(shift, self._norm(states, block.self_norm), 1 + scale)
        states = torch.addcmul(states, self._attend_self(block, inner, places), gate)
        states = states + self._attend_conditions(block, self._norm(states, block.cross_norm), heard)
        inner = torch.addcmul(mlp_shift, self._norm(states, block.mlp_norm), 1 + mlp_scale)
        gated, up = linear(inner, block.gate_up).chunk(2, dim=-1)
        return torch.addcmul(states, linear(silu(gated) * up, block.down), mlp_gate)

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

    def _attend_conditions(self, block: Block, states: Tensor, heard: Heard) -> Tensor:
        query = self._heads(linear(states[:1], block.cross_q))
        query = rms_norm(query, (self.head_dim,), block.cross_q_norm, self.eps).transpose(1, 2)
        out = scaled_dot_product_attention(query, heard.key, heard.value, enable_gqa=self.heads != self.kv_heads)
        out = linear(out.transpose(1, 2).flatten(2), block.cross_out)
        return out if len(states) == 1 else torch.cat([out, heard.null.expand_as(out)])

    def _heads(self, states: Tensor) -> Tensor:
        """[rows, length, heads · head width] to [rows, length, heads, head width]."""
        return states.view(*states.shape[:-1], -1, self.head_dim)

    def _norm(self, states: Tensor, weight: Tensor) -> Tensor:
        return rms_norm(states, weight.shape, weight, self.eps)


class _Fused:
    """One take's DiT; short takes, whose operations end sooner than they are launched, become one CUDA graph."""

    def __init__(self, dit: FusedDit, conditions: Conditions) -> None:
        self._dit, self._context = dit, conditions.context
        self._heard = dit.heard(conditions)
        self._num_patches = -(-conditions.context.shape[1] // dit.patch)
        self._places = dit.places(self._num_patches, conditions.context)
        self._graphs: dict[int, _Graph | None] = {}
        # The take's own: torch gives up when a pool is asked for whose graphs have all ended.
        self._pool = torch.cuda.graph_pool_handle() if conditions.context.is_cuda else None

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        time = torch.full((1,), timestep, device=latents.device, dtype=latents.dtype)
        rows = len(latents)
        if latents.device.type != "cuda" or rows * self._num_patches > GRAPH_PATCHES:
            return self._run(latents, time)
        if rows not in self._graphs:
            # The first step runs as it stands: libraries set themselves up in it, which a graph can't record.
            self._graphs[rows] = None
            return self._run(latents, time)
        graph = self._graphs[rows] = self._graphs[rows] or _Graph(self._run, latents, time, self._pool)
        return graph(latents, time)

    def _run(self, latents: Tensor, time: Tensor) -> Tensor:
        return self._dit.run(latents, time, self._context, self._heard, self._places)


class _Graph:
    """A step recorded once and replayed: the same kernels, launched together."""

    def __init__(self, run: Callable[[Tensor, Tensor], Tensor], latents: Tensor, time: Tensor, pool: Any) -> None:
        self._latents, self._time = latents.clone(), time.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._out = run(self._latents, self._time)

    def __call__(self, latents: Tensor, time: Tensor) -> Tensor:
        self._latents.copy_(latents)
        self._time.copy_(time)
        self._graph.replay()
        return self._out.clone()


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
