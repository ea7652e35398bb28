"""Adapters into the DiT's weights: PEFT folders and the user's scales in, merged matrices out.

alpha / r is applied here, because diffusers' loader takes alpha as r when a file carries no metadata of its own, which
would leave official adapters (r 8, alpha 16) at half strength.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from renderer.errors import ModelError
from renderer.models.ace_step.original import renamed
from renderer.models.ace_step.weights import read_tensors
from renderer.models.layouts import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
UNMERGED = ("use_dora", "modules_to_save", "bias", "alpha_pattern")
"""Settings of adapters that change more than W + s · B · A."""
# base_model.model.[decoder.]layers.0.self_attn.q_proj.lora_A[.default].weight
NAME = re.compile(r"(?:base_model\.model\.)?(?:(?:decoder|transformer)\.)?(.+)\.lora_([AB])(?:\.default)?\.weight")


def merge(dit: nn.Module, loras: tuple[tuple[str, float], ...]) -> None:
    """Add every adapter to the DiT's weights, in order: W + scale · alpha / r · B · A.

    Raises: ModelError for an adapter that isn't one, of a kind that isn't merged, or made for another DiT.
    """
    for folder, scale in loras:
        _merge_one(dit, Path(folder), scale)


@torch.no_grad()
def _merge_one(dit: nn.Module, folder: Path, scale: float) -> None:
    config = _read_config(folder)
    layers = dict(dit.named_modules())
    for target, (down, up) in _pairs(folder).items():
        layer = layers.get(target)
        if not isinstance(layer, torch.nn.Linear):
            raise _stranger(folder, f"the DiT has no layer `{target}`")
        if layer.weight.shape != (up.shape[0], down.shape[1]):
            raise _stranger(
                folder, f"`{target}` is {tuple(layer.weight.shape)}, the adapter's {up.shape[0], down.shape[1]}"
            )
        weight = layer.weight
        delta = (up.float() @ down.float()).to(weight.device) * (scale * strength(config, down.shape[0]))
        layer.weight = torch.nn.Parameter((weight.float() + delta).to(weight.dtype), requires_grad=False)


def strength(config: Mapping[str, Any], rank: int) -> float:
    """Alpha / r of an adapter, alpha / sqrt(r) for rank-stabilised ones.

    Source: huggingface/peft, src/peft/tuners/lora/layer.py
    """
    alpha = float(config["lora_alpha"])
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _read_config(folder: Path) -> dict[str, Any]:
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"`{folder}` is no LoRA adapter",
            why=f"there is no {CONFIG} in it, which says how strong it is",
            help="name the PEFT folder that training wrote",
        )
    config = read_json(folder / CONFIG)
    unmerged = [key for key in UNMERGED if config.get(key) not in (None, False, [], {}, "none")]
    if config.get("peft_type", "LORA") != "LORA" or unmerged or "lora_alpha" not in config:
        named = ", ".join(f"{key} = {config[key]}" for key in unmerged) or f"peft_type = {config.get('peft_type')}"
        raise ModelError(
            f"the adapter in `{folder}` can't be merged", why=f"its {CONFIG} says {named}; only plain LoRA is"
        )
    return config


def _pairs(folder: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer name -> its A [r, in] and B [out, r]."""
    if not (folder / WEIGHTS).is_file():
        other = sorted(path.name for path in folder.glob("adapter_model.*"))
        why = f"`{other[0]}` is a pickle, which could run code" if other else f"there is no {WEIGHTS}"
        raise ModelError(f"the adapter in `{folder}` can't be read", why=why, help="save it as safetensors")
    halves: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_tensors(folder / WEIGHTS).items():
        found = NAME.fullmatch(name)
        if found is None:
            raise ModelError(f"the adapter in `{folder}` can't be merged", why=f"tensor `{name}` is no LoRA matrix")
        target = renamed(f"{found[1]}.").removesuffix(".")
        halves.setdefault(target, {})[found[2]] = tensor
    if lonely := sorted(target for target, half in halves.items() if half.keys() != {"A", "B"}):
        raise ModelError(f"the adapter in `{folder}` is incomplete", why=f"`{lonely[0]}` lacks one of its two matrices")
    return {target: (half["A"], half["B"]) for target, half in halves.items()}


def _stranger(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"the adapter in `{folder}` was made for another DiT", why=why, help="take the model set it was trained on"
    )
