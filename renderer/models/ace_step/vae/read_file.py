"""A sound file as upstream reads it: 48 kHz, stereo, within full scale. Refused where no take can be made from it."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.errors import StageError, UsageError
from renderer.facts import SAMPLE_RATE
from renderer.formats.sound_head import opened
from renderer.models.ace_step.vae.resample import resample
from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.models.ace_step.protocol.requests import NamedSound

SILENT = 1e-6
BLOCK = 1 << 18  # frames read at once: of many channels two are kept


def read_file(file: NamedSound) -> Tensor:
    """float32 [2, samples] at 48 kHz, from -1 to 1; of one channel both, of more than two the first two.

    Raises: StageError for a file that was changed, is damaged, silent or not as long as its header says.
    """
    path = Path(file.path)
    try:
        if file_digest(path) != file.digest:
            raise StageError(f"`{path.name}` was changed while this ran", help="render again")
        with opened(path) as sound:
            rate, length = sound.samplerate, sound.frames
            blocks = [block[:, :2] for block in sound.blocks(BLOCK, dtype="float32", always_2d=True)]
    except UsageError as error:
        raise StageError(error.message, why=error.why, help=error.help) from error
    except (OSError, RuntimeError) as error:
        raise StageError(f"`{path.name}` can't be read to its end", why=f"{error}") from error
    samples = np.concatenate(blocks).T if blocks else np.zeros((2, 0), dtype=np.float32)
    _refuse_unfit(path.name, samples, length)
    stereo = torch.from_numpy(np.ascontiguousarray(samples if len(samples) > 1 else samples.repeat(2, axis=0)))
    read = resample(stereo, rate, SAMPLE_RATE).clamp_(-1.0, 1.0)
    return read[:, : ceil(length * SAMPLE_RATE / rate)]


def _refuse_unfit(name: str, samples: np.ndarray, length: int) -> None:
    if samples.shape[1] != length:
        raise StageError(
            f"`{name}` is damaged",
            why=f"its header tells of {length} samples, it holds {samples.shape[1]}",
            help="export it again",
        )
    if not np.isfinite(samples).all():
        raise StageError(f"`{name}` holds NaN or infinity", why="its samples are no sound", help="export it again")
    if np.abs(samples).max() < SILENT:
        raise StageError(f"`{name}` is silent", why="there is nothing to make a take from", help="name another file")
