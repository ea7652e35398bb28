"""diffusers' DiT with the same weights in fewer, larger operations, and with what a take's steps share made once.

Keys and values of the conditions are computed once a take, not once a step; shifts and scales of a time are folded
into the weights beside them, once for all takes; layers with a sliding window compare each frame with its neighbourhood
only. What comes out is the plain DiT's velocity up to rounding. Source of the architecture: huggingface/diffusers,
src/diffusers/models/transformers/ace_step_transformer.py
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear, pad, rms_norm, scaled_dot_product_attention, silu

from renderer.models.ace_step.dit.conditions import MOST_TOKENS
from renderer.models.kernels.cuda_graph import record
from renderer.models.kernels.varlen import flash_attention

if TYPE_CHECKING:
    from torch import nn

    from renderer.models.ace_step.dit.velocity import Conditions, Velocity

GRAPH_PATCHES = 5_000  # times rows: 400 s; beyond, a step computes twice as long as its launches take
KEPT_STEPS = 64  # a step's modulation is 1.2 MB; more of them than a batch's schedules have


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A layer's own weights; what all layers' are used of together lies in the DiT."""

    q: Tensor
    kv: Tensor
    """Keys' and values', side by side."""
    q_norm: Tensor
    k_norm: Tensor
    self_out: Tensor
    cross_norm: Tensor
    cross_q: Tensor
    cross_q_norm: Tensor
    cross_out: Tensor
    gate: Tensor
    up: Tensor
    down: Tensor
    sliding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a time does to the layers: scales put into the norms before them, shifts become biases behind them."""

    self_norm: Tensor
    """[layers, width], as the next three."""
    self_gate: Tensor
    mlp_norm: Tensor
    mlp_gate: Tensor
    q: Tensor
    """[layers, heads · head width]."""
    kv: Tensor
    """[layers, 2 · kv heads · head width]."""
    gate: Tensor
    """[layers, inner width]."""
    up: Tensor
    norm_out: Tensor
    """[width]."""
    out: Tensor
    """[patch · channels]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A take's conditions as the layers' cross-attention reads them."""

    keys: Tensor
    """[layers, tokens, kv heads, head width]."""
    values: Tensor
    ends: Tensor
    """int32 [2]: zero and the number of tokens."""
    nulls: Tensor
    """[layers, 1, 1, width], what null gives: attending to equal keys gives their value, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """All that a step of one take starts from."""

    latents: Tensor
    """[rows, frames, channels]."""
    step: Step
    context: Tensor
    """[1, frames, 2 · channels]."""
    heard: Heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What follows from a take's length alone."""

    cos: Tensor
    """[patches, 1, head width]."""
    sin: Tensor
    """The same, its first half negated."""
    num_patches: int
    ends: Tensor
    """int32 [3]: where up to two rows end, laid behind each other."""
    mask: Tensor | None
    """[blocks, 1, 2 · block, 3 · block], additive, for `_near`; None when the window spans the whole take."""


class FusedDit:
    """A DiT whose weights were taken over from diffusers' transformer, which is empty afterwards.

    `flash`: attention by torch's flash attention, which looks no further than the window and hears as many tokens as
    there are; a step is then the same chain of operations for all takes of a length. Otherwise block by block.
    """

    def __init__(self, transformer: Any, *, flash: bool = False) -> None:
        config = transformer.config
        if config.attention_bias:
            raise ValueError("attention with biases isn't fused")
        self.heads, self.kv_heads, self.head_dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        self.flash = flash
        self.eps, self.patch, self.window = config.rms_norm_eps, config.patch_size, config.sliding_window
        self.theta = config.rope_theta
        self.times = (transformer.time_embed, transformer.time_embed_r)
        self.condition_embedder = transformer.condition_embedder
        self.norm_out, self.out_modulation = transformer.norm_out.weight, transformer.scale_shift_table[0]
        self.proj_in, self.proj_out = _as_linear_in(transformer.proj_in_conv), _as_linear_out(transformer.proj_out_conv)
        self.modulations = torch.cat([layer.scale_shift_table for layer in transformer.layers])
        self.self_norms = torch.stack([layer.self_attn_norm.weight for layer in transformer.layers])
        self.mlp_norms = torch.stack([layer.mlp_norm.weight for layer in transformer.layers])
        crossings = [layer.cross_attn for layer in transformer.layers]
        self.cross_k = torch.cat([cross.to_k.weight for cross in crossings])
        self.cross_k_norm = torch.stack([cross.norm_k.weight for cross in crossings]).unsqueeze(1)
        self.cross_v = torch.cat([cross.to_v.weight for cross in crossings])
        sliding = [kind == "sliding_attention" for kind in transformer.layer_types]
        self.blocks = [_take_block(transformer.layers, index, sliding[index]) for index in range(len(sliding))]
        self._steps: dict[float, Step] = {}
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
        tokens, null = self.condition_embedder(conditions.encoded), self.condition_embedder(conditions.null)
        by_layer = (len(self.blocks), self.kv_heads, self.head_dim)
        keys = rms_norm(linear(tokens, self.cross_k).view(-1, *by_layer), (self.head_dim,), None, self.eps)
        alone = linear(null, self.cross_v).view(by_layer).repeat_interleave(self.heads // self.kv_heads, dim=1)
        nulls = [linear(value.flatten(), block.cross_out) for value, block in zip(alone, self.blocks, strict=True)]
        return Heard(
            keys=(keys * self.cross_k_norm).transpose(0, 1),
            values=linear(tokens, self.cross_v).view(-1, *by_layer).transpose(0, 1),
            ends=_ends(1, tokens.shape[1], tokens.device),
            nulls=torch.stack(nulls)[:, None, None],
        )

    def step(self, timestep: float) -> Step:
        """What a time does to the layers: the same for all takes, so it is kept."""
        if timestep not in self._steps:
            if len(self._steps) == KEPT_STEPS:
                self._steps.clear()
            self._steps[timestep] = self._step(timestep)
        return self._steps[timestep]

    def _step(self, timestep: float) -> Step:
        time = torch.full((1,), timestep, device=self.norm_out.device, dtype=self.norm_out.dtype)
        embedded, projected = self.times[0](time)
        embedded_r, projected_r = self.times[1](time - time)
        modulations = self.modulations + (projected + projected_r)
        shift, scale, self_gate, mlp_shift, mlp_scale, mlp_gate = modulations.unbind(1)
        shift_out, scale_out = (self.out_modulation + (embedded + embedded_r)).unbind(0)
        weight_out, bias_out = self.proj_out

        def behind(shifts: Tensor, name: str) -> Tensor:
            weights = (getattr(block, name) for block in self.blocks)
            return torch.stack([linear(*pair) for pair in zip(shifts, weights, strict=True)])

        return Step(
            self_norm=self.self_norms * (1 + scale),
            self_gate=self_gate.contiguous(),
            mlp_norm=self.mlp_norms * (1 + mlp_scale),
            mlp_gate=mlp_gate.contiguous(),
            q=behind(shift, "q"),
            kv=behind(shift, "kv"),
            gate=behind(mlp_shift, "gate"),
            up=behind(mlp_shift, "up"),
            norm_out=self.norm_out * (1 + scale_out),
            out=linear(shift_out, weight_out, bias_out),
        )

    def places(self, num_patches: int, like: Tensor) -> Places:
        """Rotations, and what attention needs to know, for a length."""
        frequency = self.theta ** -(torch.arange(0, self.head_dim, 2, device=like.device).float() / self.head_dim)
        angle = torch.arange(num_patches, device=like.device).float()[:, None] * frequency
        cos, sin = angle.cos(), angle.sin()
        return Places(
            cos=torch.cat([cos, cos], dim=-1)[:, None].to(like.dtype),
            sin=torch.cat([-sin, sin], dim=-1)[:, None].to(like.dtype),
            num_patches=num_patches,
            ends=_ends(2, num_patches, like.device),
            mask=None if self.flash else self._mask(num_patches, like),
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

    def run(self, given: Given, places: Places) -> Tensor:
        """Velocities [rows, frames, channels]; of two rows the second hears null."""
        step, heard = given.step, given.heard
        rows, num_frames = given.latents.shape[:2]
        states = self._patches(torch.cat([given.context.expand(rows, -1, -1), given.latents], dim=-1))
        for layer, block in enumerate(self.blocks):
            inner = self._norm(states, step.self_norm[layer])
            query, key_value = linear(inner, block.q, step.q[layer]), linear(inner, block.kv, step.kv[layer])
            own = linear(self._attend_self(block, query, key_value, places), block.self_out)
            states = torch.addcmul(states, own, step.self_gate[layer])
            found = linear(self._attend_heard(layer, self._query(block, states), heard, places), block.cross_out)
            states = states + (found if rows == 1 else torch.cat([found, heard.nulls[layer].expand_as(found)]))
            inner = self._norm(states, step.mlp_norm[layer])
            gate, up = linear(inner, block.gate, step.gate[layer]), linear(inner, block.up, step.up[layer])
            made = linear(silu(gate, inplace=True).mul_(up), block.down)
            states = torch.addcmul(states, made, step.mlp_gate[layer])
        states = linear(self._norm(states, step.norm_out), self.proj_out[0], step.out)
        return states.reshape(rows, states.shape[1] * self.patch, -1)[:, :num_frames]

    def _patches(self, frames: Tensor) -> Tensor:
        frames = pad(frames, (0, 0, 0, -frames.shape[1] % self.patch))
        return linear(frames.reshape(frames.shape[0], frames.shape[1] // self.patch, -1), *self.proj_in)

    def _query(self, block: Block, states: Tensor) -> Tensor:
        """What the row that hears the conditions asks them: [1, patches, heads, head width]."""
        query = self._heads(linear(self._norm(states, block.cross_norm)[:1], block.cross_q))
        return self._norm(query, block.cross_q_norm)

    def _attend_heard(self, layer: int, query: Tensor, heard: Heard, places: Places) -> Tensor:
        """What the queries find: [1, patches, heads · head width]."""
        key, value = heard.keys[layer], heard.values[layer]
        if self.flash:
            # The longest there may be, not what there are: a recorded step must not know how many.
            found = flash_attention(query, key, value, places.ends[:2], heard.ends, longest=MOST_TOKENS)
            return found.flatten(2)
        return self._attend(query, key.unsqueeze(0), value.unsqueeze(0))

    def _attend_self(self, block: Block, query: Tensor, key_value: Tensor, places: Places) -> Tensor:
        """What the patches find in each other: [rows, patches, heads · head width]."""
        query, (key, value) = self._heads(query), self._heads(key_value).chunk(2, dim=2)
        query = self._rotate(self._norm(query, block.q_norm), places)
        key = self._rotate(self._norm(key, block.k_norm), places)
        if self.flash:
            ends, window = places.ends[: len(query) + 1], self.window if block.sliding else None
            return flash_attention(query, key, value, ends, ends, longest=places.num_patches, window=window).flatten(2)
        if block.sliding and places.mask is not None:
            return self._near(query, key, value, places.mask)
        return self._attend(query, key, value)

    def _rotate(self, states: Tensor, places: Places) -> Tensor:
        rotated = states * places.cos
        lower, upper = slice(None, self.head_dim // 2), slice(self.head_dim // 2, None)
        rotated[..., lower].addcmul_(states[..., upper], places.sin[..., lower])
        rotated[..., upper].addcmul_(states[..., lower], places.sin[..., upper])
        return rotated

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        out = scaled_dot_product_attention(query, key, value, enable_gqa=self.heads != self.kv_heads)
        return out.transpose(1, 2).flatten(2)

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
        dit, rows, recordings = self._dit, len(latents), self._length.recordings
        given = Given(latents=latents, context=self._context, step=dit.step(timestep), heard=self._heard)
        if dit.flash and rows * self._length.places.num_patches <= GRAPH_PATCHES:
            if rows in recordings:
                recording = recordings[rows] = recordings[rows] or _Recording(dit, given, self._length.places)
                return recording(given)
            # The first step runs as it stands: libraries set themselves up in it, which a graph can't record.
            recordings[rows] = None
        return dit.run(given, self._length.places)


class _Recording:
    """A step as a CUDA graph, the same kernels launched together, for all takes of its length."""

    def __init__(self, dit: FusedDit, given: Given, places: Places) -> None:
        self._held = _room_for(given)
        self._heard: Heard | None = None

        def step() -> None:
            self._out = dit.run(self._held, places)

        self._graph = record(step, given.latents.device)

    def __call__(self, given: Given) -> Tensor:
        self._take_in(given)
        self._graph.replay()
        return self._out.clone()

    def _take_in(self, given: Given) -> None:
        held = self._held
        held.latents.copy_(given.latents)
        for part in fields(Step):
            getattr(held.step, part.name).copy_(getattr(given.step, part.name))
        if given.heard is self._heard:
            return
        # Another take's.
        self._heard, num_tokens = given.heard, given.heard.keys.shape[1]
        held.context.copy_(given.context)
        held.heard.keys[:, :num_tokens].copy_(given.heard.keys)
        held.heard.values[:, :num_tokens].copy_(given.heard.values)
        held.heard.ends.copy_(given.heard.ends)
        held.heard.nulls.copy_(given.heard.nulls)


def _room_for(given: Given) -> Given:
    """Memory for what is given, and for as many tokens as any take may hear."""
    step, heard = given.step, given.heard
    tokens = heard.keys.new_empty((len(heard.keys), MOST_TOKENS, *heard.keys.shape[2:]))
    return Given(
        latents=torch.empty_like(given.latents),
        step=Step(**{part.name: torch.empty_like(getattr(step, part.name)) for part in fields(Step)}),
        context=torch.empty_like(given.context),
        heard=Heard(
            keys=tokens,
            values=torch.empty_like(tokens),
            ends=torch.empty_like(heard.ends),
            nulls=torch.empty_like(heard.nulls),
        ),
    )


def _three_blocks(padded: Tensor, size: int) -> Tensor:
    """[rows, size · (blocks + 2), heads, width] to [rows · blocks, heads, 3 · size, width]."""
    return padded.unfold(1, 3 * size, size).permute(0, 1, 2, 4, 3).flatten(0, 1)


def _take_block(layers: nn.ModuleList, index: int, sliding: bool) -> Block:
    """A layer's weights; diffusers' module is dropped, so that the whole is never held twice."""
    layer: Any = layers[index]
    attention, cross, mlp = layer.self_attn, layer.cross_attn, layer.mlp
    block = Block(
        q=attention.to_q.weight,
        kv=torch.cat([attention.to_k.weight, attention.to_v.weight]),
        q_norm=attention.norm_q.weight,
        k_norm=attention.norm_k.weight,
        self_out=attention.to_out[0].weight,
        cross_norm=layer.cross_attn_norm.weight,
        cross_q=cross.to_q.weight,
        cross_q_norm=cross.norm_q.weight,
        cross_out=cross.to_out[0].weight,
        gate=mlp.gate_proj.weight,
        up=mlp.up_proj.weight,
        down=mlp.down_proj.weight,
        sliding=sliding,
    )
    layers[index] = torch.nn.Identity()
    return block


def _ends(rows: int, length: int, device: torch.device) -> Tensor:
    """Int32 [rows + 1]: where rows of one length begin and end, laid behind each other."""
    return torch.arange(rows + 1, device=device, dtype=torch.int32) * length


def _as_linear_in(conv: Any) -> tuple[Tensor, Tensor]:
    """A convolution whose stride is its width, as one matrix over a patch's frames."""
    return conv.weight.permute(0, 2, 1).flatten(1).contiguous(), conv.bias


def _as_linear_out(conv: Any) -> tuple[Tensor, Tensor]:
    """The same for its transpose: a patch's frames from one matrix."""
    weight = conv.weight.permute(2, 1, 0).flatten(0, 1).contiguous()
    return weight, conv.bias.repeat(conv.weight.shape[2])
