"""What one denoising step of the fused DiT reads: the take's own tensors, the timestep's, and the length's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Modulation:
    """What a timestep does to the layers: scales put into the norms before them, shifts become biases behind them.

    (norm(x) · (1 + scale) + shift) · W is norm'(x) · W + shift · W: both follow from the timestep alone, so a step's
    elementwise passes over the whole take become part of a norm's weight and of a product's bias.
    """

    self_norm: Tensor
    """[layers, width], as the next three."""
    self_gate: Tensor
    mlp_norm: Tensor
    mlp_gate: Tensor
    qkv: Tensor
    """[layers, (heads + 2 · kv heads) · head width]."""
    gate_up: Tensor
    """[layers, 2 · inner width]."""
    norm_out: Tensor
    """[width]."""
    out: Tensor
    """[patch · channels]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossKV:
    """A take's conditions as keys and values of the layers' cross-attention; the same at every step of the take."""

    keys: Tensor
    """[layers, tokens, kv heads, head width]."""
    values: Tensor
    cu_seqlens: Tensor
    """int32 [2]: zero and the number of tokens."""
    null_outputs: Tensor
    """[layers, 1, 1, width], what null gives: attending to equal keys gives their value, however many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInputs:
    """All that a step of one take starts from."""

    latents: Tensor
    """[rows, frames, channels]."""
    modulation: Modulation
    context: Tensor
    """[1, frames, 2 · channels]."""
    cross_kv: CrossKV


def rope_tables(num_patches: int, head_dim: int, theta: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines [patches, 1, head width], the sines' first half negated, as `Elementwise.heads` takes them.

    On the device and in the dtype of `like`; angles are computed in float32.
    """
    frequency = theta ** -(torch.arange(0, head_dim, 2, device=like.device).float() / head_dim)
    angle = torch.arange(num_patches, device=like.device).float()[:, None] * frequency
    cos, sin = angle.cos(), angle.sin()
    tables = torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)
    return tables[0][:, None].to(like.dtype), tables[1][:, None].to(like.dtype)
