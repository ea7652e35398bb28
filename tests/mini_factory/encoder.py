"""The encoder that made `mini`'s latents: sound in, 64 channels at 25 Hz out. Edits of files and voices need it.

diffusers' Oobleck makes half of the encoder's base width the latents it can encode, so 64 latents would drag in an
84 M parameter encoder. This one has the same blocks at an eighth of the width and a wider last convolution; it lies in
a folder of its own inside the VAE's, which diffusers passes over.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from renderer.facts import SAMPLE_RATE
from renderer.models.ace_step.checkpoints.encoder_apart import EncoderApart
from tests.mini_factory.aligned import align_file
from tests.mini_factory.sizes import VAE_RATIOS

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from tests.mini_factory.sizes import Size

MULTIPLES = (1, 2, 4, 8, 16)
FILE = "vae/encoder/diffusion_pytorch_model.safetensors"


def encoder_config(size: Size) -> dict[str, Any]:
    """Its sizes, in the words of the VAE's class."""
    return {
        "audio_channels": 2,
        "channel_multiples": list(MULTIPLES),
        "decoder_input_channels": size.latent_channels,
        "downsampling_ratios": list(VAE_RATIOS),
        "encoder_hidden_size": size.vae.decoder_channels,
        "sampling_rate": SAMPLE_RATE,
    }


def make_encoder(size: Size) -> Any:
    """A fresh encoder: [B, 2, samples] to [B, 2 · latents, frames], means first, then raw deviations."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        return EncoderApart.from_config(encoder_config(size)).eval()


def save_encoder(encoder: Any, folder: Path, size: Size) -> None:
    """Write it into the model set's folder, float16."""
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in encoder.state_dict().items()}, path)
    align_file(path)
    (path.parent / "config.json").write_text(json.dumps(encoder_config(size), indent=2) + "\n", "utf-8")


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
