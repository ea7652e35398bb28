"""Further VAEs of the real class: as small as the tiny set's, with other weights or of another format."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderOobleck

if TYPE_CHECKING:
    from pathlib import Path


def write_vae(folder: Path, like: Path, *, seed: int = 5, **sizes: Any) -> Path:
    """A VAE with random weights, shaped as the one in `like` but for `sizes`."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        vae: Any = AutoencoderOobleck.from_config({**AutoencoderOobleck.load_config(like), **sizes})
    vae.save_pretrained(folder)
    return folder
