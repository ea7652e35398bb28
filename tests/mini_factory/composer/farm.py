"""One composer process's work: a seed to raw sound on disk. Imports no torch, so that many can start quickly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.mini_factory.composer.song import draw, play

FULL_SCALE = 32_767.0


def write_song(order: tuple[int, str]) -> tuple[int, str]:
    """Play the piece of (seed, folder) into a raw int16 file [samples, 2] there; its seed and path."""
    seed, folder = order
    path = Path(folder) / f"{seed}.raw"
    sound = play(draw(seed))
    np.ascontiguousarray((sound.T * FULL_SCALE).astype(np.int16)).tofile(path)
    return seed, str(path)
