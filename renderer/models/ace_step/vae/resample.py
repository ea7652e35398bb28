"""Sound at another rate by windowed sinc, as upstream reads files.

Source: pytorch/audio, src/torchaudio/functional/functional.py (`resample` at its defaults), whose arithmetic this
repeats: the package itself would be a dependency for one function.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from renderer.errors import StageError

if TYPE_CHECKING:
    from torch import Tensor

ZERO_CROSSINGS = 6
ROLLOFF = 0.99
MOST_TAPS = 50_000_000  # of the kernels of all phases: rates without a common divisor have as many phases as hertz


def resample(samples: Tensor, rate: int, new_rate: int) -> Tensor:
    """float32 [channels, samples] at `rate` -> float32 [channels, ceil(samples · new_rate / rate)].

    Raises: StageError for a rate that has next to nothing in common with the new one.
    """
    if rate == new_rate:
        return samples
    divisor = math.gcd(rate, new_rate)
    old, new = rate // divisor, new_rate // divisor
    kernels, width = _kernels(old, new, rate)
    padded = torch.nn.functional.pad(samples, (width, width + old))
    phases = torch.nn.functional.conv1d(padded[:, None], kernels, stride=old)
    length = -(-new * samples.shape[1] // old)
    return phases.transpose(1, 2).reshape(len(samples), -1)[:, :length]


def _kernels(old: int, new: int, rate: int) -> tuple[Tensor, int]:
    """float32 [new, 1, taps], one for each phase, and how many samples they reach back."""
    base = min(old, new) * ROLLOFF
    width = math.ceil(ZERO_CROSSINGS * old / base)
    if new * (2 * width + old) > MOST_TAPS:
        raise StageError(f"a sample rate of {rate} Hz can't be read", help="convert the file to 48000 Hz")
    steps = torch.arange(-width, width + old, dtype=torch.float64)[None, None] / old
    times = torch.arange(0, -new, -1, dtype=torch.float64)[:, None, None] / new + steps
    times = (times * base).clamp(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = torch.cos(times * math.pi / ZERO_CROSSINGS / 2) ** 2
    times = times * math.pi
    sinc = torch.where(times == 0, torch.ones_like(times), times.sin() / times)
    return (sinc * window * (base / old)).float(), width
