"""A VAE's encoder that lies apart from its decoder, as narrow as it was taught."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffusers.models.autoencoders.autoencoder_oobleck import OobleckEncoder
from torch import nn

if TYPE_CHECKING:
    from renderer.models.catalog.layouts import Config

KERNEL = 3


class EncoderApart(OobleckEncoder):  # type: ignore[misc]  # diffusers has no types
    """diffusers' encoder with latents of any number: the class makes half of its base width of them.

    For ACE-Step's 64 latents and a VAE as small as `mini`'s that would be an encoder of 84 million parameters.
    """

    @classmethod
    def from_config(cls, config: Config) -> EncoderApart:
        """Of the sizes of a VAE (`AutoencoderOobleck`), as many latents as its decoder takes; means, then scales."""
        base, multiples = config["encoder_hidden_size"], config["channel_multiples"]
        made = cls(base, config["audio_channels"], config["downsampling_ratios"], multiples)
        outputs = 2 * config["decoder_input_channels"]
        made.conv2 = nn.utils.weight_norm(nn.Conv1d(base * multiples[-1], outputs, KERNEL, padding=KERNEL // 2))
        return made
