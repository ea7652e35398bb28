"""Latents in tiles that decode one by one and still sound as one.

The decoder is convolutions: a sample depends on the latents up to `facts.VAE_REACH` frames to each side and on no more.
A tile that takes at least so many frames of context along, and drops what they decode to, gives the samples that the
whole would have given there, up to rounding: no fades, no seams, and memory that doesn't grow with the song.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Latent frames that are decoded at once, of which `overlap` on each side only give context."""

    length: int
    overlap: int

    def windows(self, num_frames: int) -> list[tuple[int, int, int, int]]:
        """Window start and end, and the start and end of what is kept of it, in latent frames.

        Source: huggingface/diffusers, src/diffusers/models/autoencoders/autoencoder_oobleck.py
        """
        if num_frames <= self.length:
            return [(0, num_frames, 0, num_frames)]
        stride = self.length - 2 * self.overlap
        starts = range(0, num_frames, stride)
        return [
            (
                max(0, start - self.overlap),
                min(num_frames, start + stride + self.overlap),
                start,
                min(num_frames, start + stride),
            )
            for start in starts
        ]
