"""A DiT layer's weights, taken out of diffusers' modules and laid for fewer, larger products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeights:
    """A layer's own weights; what is used of all layers together lies in the DiT."""

    qkv: Tensor
    """Queries', keys' and values', one below the other."""
    q_norm: Tensor
    k_norm: Tensor
    self_out: Tensor
    cross_norm: Tensor
    cross_q: Tensor
    cross_q_norm: Tensor
    cross_out: Tensor
    gate_up: Tensor
    """What is gated by, and what is."""
    down: Tensor
    sliding: bool
    """Whether its self-attention looks no further than the window."""


def take_layer(layers: nn.ModuleList, index: int, *, sliding: bool) -> LayerWeights:
    """A layer's weights; diffusers' module is dropped, so that the whole is never held twice."""
    layer: Any = layers[index]
    # The conditions' keys and values come from one product for all layers, so those weights aren't here.
    attention, cross, mlp = layer.self_attn, layer.cross_attn, layer.mlp
    weights = LayerWeights(
        qkv=torch.cat([attention.to_q.weight, attention.to_k.weight, attention.to_v.weight]),
        q_norm=attention.norm_q.weight,
        k_norm=attention.norm_k.weight,
        self_out=attention.to_out[0].weight,
        cross_norm=layer.cross_attn_norm.weight,
        cross_q=cross.to_q.weight,
        cross_q_norm=cross.norm_q.weight,
        cross_out=cross.to_out[0].weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        down=mlp.down_proj.weight,
        sliding=sliding,
    )
    layers[index] = torch.nn.Identity()
    return weights


def patch_embedding(conv: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution whose stride is its width, as one matrix over a patch's frames."""
    return conv.weight.permute(0, 2, 1).flatten(1).contiguous(), conv.bias


def patch_projection(conv: Any) -> tuple[Tensor, Tensor]:
    """The same for its transpose: a patch's frames from one matrix."""
    weight = conv.weight.permute(2, 1, 0).flatten(0, 1).contiguous()
    return weight, conv.bias.repeat(conv.weight.shape[2])
