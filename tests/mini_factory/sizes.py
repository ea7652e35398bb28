"""How wide and deep the embedded sets are: `MINI` for listening, `TINY` for tests. Plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

CODEBOOK_LEVELS = (8, 5, 5, 5)
VAE_RATIOS = (2, 4, 4, 6, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """A stack of transformer blocks."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeSize:
    """The Oobleck autoencoder's channels."""

    encoder_channels: int
    """Width of the encoder inside the VAE folder; the class makes half of it the latents it can encode."""
    decoder_channels: int
    multiples: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Every dimension of a model set."""

    name: str
    latent_channels: int
    lm: Width
    text: Width
    condition: Width
    timbre_layers: int
    dit: Width
    sliding_window: int
    pair: Width
    """The audio tokenizer and detokenizer."""
    vae: VaeSize
    num_merges: int
    """Merges of the byte-level BPE at most."""
    max_seconds: int
    """The longest song the set is meant for."""

    @property
    def num_codes(self) -> int:
        """Entries of the audio codebook."""
        return prod(CODEBOOK_LEVELS)


TINY = Size(
    name="tiny",
    latent_channels=8,
    lm=Width(hidden=32, intermediate=64, layers=2, heads=4, kv_heads=2, head_dim=8),
    text=Width(hidden=32, intermediate=64, layers=2, heads=4, kv_heads=2, head_dim=8),
    condition=Width(hidden=32, intermediate=64, layers=2, heads=4, kv_heads=2, head_dim=8),
    timbre_layers=2,
    dit=Width(hidden=32, intermediate=64, layers=2, heads=4, kv_heads=2, head_dim=8),
    sliding_window=16,
    pair=Width(hidden=32, intermediate=64, layers=1, heads=4, kv_heads=2, head_dim=8),
    vae=VaeSize(encoder_channels=16, decoder_channels=4, multiples=(1, 1, 1, 1, 1)),
    num_merges=200,
    max_seconds=60,
)

MINI = Size(
    name="mini",
    latent_channels=64,
    lm=Width(hidden=256, intermediate=512, layers=5, heads=8, kv_heads=4, head_dim=32),
    text=Width(hidden=192, intermediate=512, layers=3, heads=6, kv_heads=3, head_dim=32),
    condition=Width(hidden=192, intermediate=512, layers=2, heads=6, kv_heads=6, head_dim=32),
    timbre_layers=1,
    dit=Width(hidden=192, intermediate=512, layers=6, heads=6, kv_heads=6, head_dim=32),
    sliding_window=128,
    pair=Width(hidden=160, intermediate=384, layers=2, heads=5, kv_heads=5, head_dim=32),
    # diffusers ties the encoder's width to twice the latents; at this size that half would hold 84 M parameters.
    # The encoder that made these latents is kept apart (`encoder.py`); rendering only decodes. Wide where it is slow:
    # tones are put together there.
    vae=VaeSize(encoder_channels=2, decoder_channels=16, multiples=(1, 2, 4, 12, 32)),
    num_merges=1_600,
    max_seconds=60,
)

SIZES = {size.name: size for size in (TINY, MINI)}
