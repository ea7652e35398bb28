"""The encoder that made `mini`'s latents: sound in, 64 channels at 25 Hz out. Rendering never needs it.

diffusers' Oobleck makes half of the encoder's base width the latents it can encode, so 64 latents would drag in an
84 M parameter encoder. This one has the same blocks at an eighth of the width and a wider last convolution.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.mini_factory.sizes import VAE_RATIOS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mini_factory.sizes import Size

MULTIPLES = (1, 2, 4, 8, 16)
FILE = "vae_encoder/model.safetensors"


def make_encoder(size: Size) -> Any:
    """A fresh encoder: [B, 2, samples] to [B, 2 · latents, frames], means first, then raw deviations."""
    from diffusers.models.autoencoders.autoencoder_oobleck import OobleckEncoder

    vae = size.vae
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        encoder = OobleckEncoder(vae.decoder_channels, 2, list(VAE_RATIOS), list(MULTIPLES))
        widest = vae.decoder_channels * MULTIPLES[-1]
        encoder.conv2 = nn.utils.weight_norm(nn.Conv1d(widest, 2 * size.latent_channels, kernel_size=3, padding=1))
    return encoder.eval()


def save_encoder(encoder: Any, folder: Path) -> None:
    """Write it into the model set's folder, float16."""
    (folder / FILE).parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in encoder.state_dict().items()}, folder / FILE)


def load_encoder(folder: Path, size: Size) -> Any:
    """The set's encoder, float32."""
    encoder = make_encoder(size)
    encoder.load_state_dict({name: value.float() for name, value in load_file(folder / FILE).items()})
    return encoder


def open_encoder(folder: Path, size: Size) -> Any:
    """The set's encoder if it has one, else a fresh one."""
    return load_encoder(folder, size) if (folder / FILE).exists() else make_encoder(size)


def encode(encoder: Any, sound: torch.Tensor) -> torch.Tensor:
    """Latents [B, frames, channels] of sound [B, 2, samples]; the length is a multiple of 1,920."""
    return encoder(sound).chunk(2, dim=1)[0].transpose(1, 2)  # type: ignore[no-any-return]
