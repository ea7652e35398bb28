"""Sound -> a small picture of it: time to the right, pitch upwards, loudness as light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

WIDTH, HEIGHT = 800, 160  # pixels
FRAME = 4_096  # samples: 12 Hz apart, so that a bass line shows
LOWEST_HZ, HIGHEST_HZ = 40.0, 16_000.0
RANGE_DB = 75.0
# From the page's darkness over its accent to paper.
COLORS = ((18, 16, 20), (62, 30, 62), (140, 46, 62), (214, 98, 52), (246, 178, 96), (253, 244, 214))


def draw_spectrogram(sound: npt.NDArray[np.float32], rate: int, path: Path) -> None:
    """Write a WebP of the sound: float32 [frames, channels]."""
    light = _light(_levels(sound.mean(axis=1), rate))
    places = np.linspace(0, 1, len(COLORS))
    pixels = np.stack([np.interp(light, places, [color[part] for color in COLORS]) for part in range(3)], axis=-1)
    Image.fromarray(np.rint(pixels).astype(np.uint8)).save(path, "WEBP", quality=72, method=4)


def _levels(mono: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """Decibels [HEIGHT, WIDTH], the highest pitch first."""
    window = np.hanning(FRAME)
    padded = np.pad(mono, (FRAME // 2, FRAME))
    starts = np.linspace(0, max(len(mono) - 1, 0), WIDTH).astype(np.int64)
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, HEIGHT + 1) * FRAME / rate
    low = np.floor(edges[:-1]).astype(np.int64)
    rows = np.empty((HEIGHT, WIDTH))
    for column, start in enumerate(starts):
        power = np.abs(np.fft.rfft(padded[start : start + FRAME] * window)) ** 2
        # Deep rows are narrower than a bin and share it; high ones take the strongest of theirs.
        rows[:, column] = np.maximum.reduceat(power[: int(edges[-1]) + 1], low)
    return 10 * np.log10(np.maximum(rows[::-1], 1e-12))


def _light(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    top = levels.max(initial=-100.0)
    light: npt.NDArray[np.float64] = np.clip((levels - top + RANGE_DB) / RANGE_DB, 0.0, 1.0)
    return light
