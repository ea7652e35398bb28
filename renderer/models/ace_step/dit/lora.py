"""Adapters into the DiT's weights: PEFT folders and the user's scales in, merged matrices out.

alpha / r is applied here, because diffusers' loader takes alpha as r when a file carries no metadata of its own, which
would leave official adapters (r 8, alpha 16) at half strength.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from renderer.models.ace_step.checkpoints.adapter import read_adapter, weights_path
from renderer.models.ace_step.checkpoints.weights import read_tensors

if TYPE_CHECKING:
    from torch import nn


def merge(dit: nn.Module, loras: tuple[tuple[str, float], ...]) -> None:
    """Add every adapter to the DiT's weights, in order: W + scale · alpha / r · B · A.

    Raises: ModelError for an adapter that isn't one, of a kind that isn't merged, or made for another DiT.
    """
    for folder, scale in loras:
        _merge_one(dit, Path(folder), scale)


@torch.no_grad()
def _merge_one(dit: nn.Module, folder: Path, scale: float) -> None:
    pairs = read_adapter(folder, {name: tuple(weight.shape) for name, weight in dit.named_parameters()})
    tensors = read_tensors(weights_path(folder))
    for target, pair in pairs.items():
        layer, down, up = dit.get_submodule(target), tensors[pair.down], tensors[pair.up]
        weight = layer.get_parameter("weight")
        # In float32 whatever the weights are in: an adapter's numbers are small against them.
        delta = (up.float() @ down.float()).to(weight.device) * (scale * pair.strength)
        layer.weight = torch.nn.Parameter((weight.float() + delta).to(weight.dtype), requires_grad=False)
