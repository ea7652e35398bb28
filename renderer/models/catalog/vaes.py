"""A folder with a VAE: what it decodes, or what the folder holds instead. Reads its config and file names; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.facts import LATENT_CHANNELS, SAMPLE_RATE, SAMPLES_PER_LATENT
from renderer.files import is_folder
from renderer.models.catalog import hub, layouts

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.catalog.layouts import Config

CLASS = "AutoencoderOobleck"
NEEDED = f"a VAE is a folder with config.json and {layouts.DIFFUSERS_STEM}.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeFormat:
    """What goes into a VAE's decoder and what comes out."""

    latent_width: int
    """Channels of a latent frame."""
    samples_per_latent: int
    sample_rate: int
    """Hz."""

    @property
    def description(self) -> str:
        """In words, for who compares two of them."""
        return f"latents of {self.latent_width} channels, {self.samples_per_latent} samples each, {self.sample_rate} Hz"


ACE_STEP = VaeFormat(latent_width=LATENT_CHANNELS, samples_per_latent=SAMPLES_PER_LATENT, sample_rate=SAMPLE_RATE)
"""Of ACE-Step 1.5's own VAE and of every decoder trained on its latents."""


def read_vae(folder: Path) -> VaeFormat:
    """What the VAE in `folder` decodes.

    Raises: ModelError saying what is there instead.
    """
    if not is_folder(folder):
        raise layouts.no_folder(folder, "VAE", why=NEEDED, advice="name a folder, or one of `official`, `scragvae`")
    if not (folder / "config.json").is_file():
        raise _no_vae(folder)
    config = layouts.read_json(folder / "config.json")
    if config.get("_class_name") != CLASS:
        raise _another_model(folder, config)
    if not any(folder.glob(f"{layouts.DIFFUSERS_STEM}*.safetensors")) or not hub.is_complete(folder):
        raise ModelError(f"`{folder}` lacks the VAE's weights", why=NEEDED, help="copy what is missing there")
    try:
        return VaeFormat(
            latent_width=int(config["decoder_input_channels"]),
            samples_per_latent=prod(map(int, config["downsampling_ratios"])),
            sample_rate=int(config["sampling_rate"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"`{folder / 'config.json'}` doesn't tell what the VAE decodes",
            why=f"it has no usable {error}" if isinstance(error, KeyError) else str(error),
            help="take the config.json that was published with the weights",
        ) from error


def refuse_unfit(vae: str, decodes: VaeFormat, model: str, latent_width: int) -> None:
    """Compare what a VAE decodes with what a model's DiT makes.

    Raises: ModelError where they differ.
    """
    made = VaeFormat(latent_width=latent_width, samples_per_latent=SAMPLES_PER_LATENT, sample_rate=SAMPLE_RATE)
    if decodes != made:
        raise ModelError(
            f"the VAE `{vae}` can't decode what `{model}` makes",
            why=f"it decodes {decodes.description}; the DiT makes {made.description}",
            help="leave `vae` out, or name one that was trained for this model",
        )


def _no_vae(folder: Path) -> ModelError:
    if (folder / "vae" / "config.json").is_file():
        return ModelError(f"`{folder}` holds more than a VAE", why=NEEDED, help=f'vae = "{folder / "vae"}"')
    names = sorted(path.name for path in folder.iterdir() if path.suffix in _WEIGHTS)
    if names:
        return ModelError(
            f"`{folder}` holds weights without a config.json",
            why=f"{NEEDED}; {names[0]} alone doesn't tell the sizes",
            help="take the whole of what was published, in the format of diffusers",
        )
    return ModelError(f"`{folder}` holds no VAE", why=NEEDED)


def _another_model(folder: Path, config: Config) -> ModelError:
    if config.get("model_type") == "autoencoder" and "model" in config:
        return ModelError(
            f"`{folder}` holds a VAE in the format of stable-audio-tools",
            why=f"its config.json describes an autoencoder of theirs; {NEEDED} of diffusers",
            help="take the same VAE in the format of diffusers",
        )
    told = config.get("_class_name") or config.get("model_type")
    return ModelError(f"`{folder}` holds another model", why=f"its config.json names `{told}`, a VAE's `{CLASS}`")


_WEIGHTS = frozenset({".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf"})
