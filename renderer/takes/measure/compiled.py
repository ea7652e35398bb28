"""librosa's machine code: compiled by numba once, kept in a folder of ours, filled by one process at a time.

numba writes its cache's index before the code that the index names, and locks neither. Of two processes that fill a
cache at once, one may leave a function's name beside another's code; who reads that, now or in a year, ends with
SIGSEGV (seen with numba 0.68.1: three small processes did it in two of six rounds). The same comes of a process that
ends between the two writes over what another version left, which is why the folder bears the versions.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock

from renderer.facts import SAMPLE_RATE
from renderer.takes.measure.analysis import MIN_MUSIC_SECONDS, analyse


@cache
def compile_once() -> None:
    """Run all of `analyse` on a beat: what numba makes for it is in memory then, and its cache is left alone.

    Raises: OSError when the cache's folder can't be written to.
    """
    folder = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder())))
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        analyse(_beat(), SAMPLE_RATE)


def cache_folder() -> Path:
    """Where compiled code is kept unless `NUMBA_CACHE_DIR` says otherwise."""
    return platformdirs.user_cache_path("renderer") / f"numba-{version('numba')}-librosa-{version('librosa')}"


def _beat() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """float32 [frames, 2]: long enough for a tempo and a key."""
    time = np.arange(int((MIN_MUSIC_SECONDS + 1) * SAMPLE_RATE)) / SAMPLE_RATE
    beat = np.sin(2 * np.pi * 220 * time) * np.exp(-8 * (2 * time % 1))
    return np.stack([beat, beat], axis=1).astype(np.float32)
