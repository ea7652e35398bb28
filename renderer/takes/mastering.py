"""A take's sound -> a track's: fades, one gain for all of it, silence behind it. No limiter, no dither, nothing drawn.

The same take and the same wishes give the same samples on every machine: fades are polynomials, whose few operations
IEEE 754 rounds alike everywhere, and a gain is whole hundredths of a decibel, so that another library's last digit of
a loudness changes none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from renderer.facts import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy.typing as npt

    Sound = npt.NDArray[np.float32]

PEAK_LIMIT = -1.0
"""dBTP, as EBU R128 has it for what is delivered."""
_STEPS = 100  # of a decibel


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """How a track begins and ends, in seconds."""

    fade_in: float = 0.0
    fade_out: float = 0.0
    gap: float = 0.0
    """Silence behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """How loud a sound is; None of silence, and of what is too short to tell."""

    loudness: float | None
    """Integrated, in LUFS."""
    true_peak: float | None
    """dBTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a sound is made louder by."""

    decibels: float = 0.0
    lowered_by: float = 0.0
    """How much less than the wanted loudness asks for, since the peak would come above `PEAK_LIMIT`."""


def levels_of(sound: Sound) -> Levels:
    """Of float32 [frames, channels] at 48 kHz. Wants `renderer[measure]`."""
    from renderer.takes.measure.analysis import loudness, true_peak  # noqa: PLC0415 - scipy, only where it is asked

    return Levels(loudness=loudness(sound, SAMPLE_RATE), true_peak=true_peak(sound))


def gain_to(target: float | None, levels: Levels) -> Gain:
    """The gain to `target` LUFS, lowered to what the true peak leaves room for; none where either isn't known."""
    if target is None or levels.loudness is None or levels.true_peak is None:
        return Gain()
    wanted = round((target - levels.loudness) * _STEPS)
    most = math.floor((PEAK_LIMIT - levels.true_peak) * _STEPS)
    return Gain(decibels=min(wanted, most) / _STEPS, lowered_by=max(0, wanted - most) / _STEPS)


def with_fades(sound: Sound, joined: Joined) -> Sound:
    """The sound, faded at its ends, as long as it was; the very same array where nothing is faded."""
    head, tail = (min(_frames(seconds), len(sound)) for seconds in (joined.fade_in, joined.fade_out))
    if not head and not tail:
        return sound
    faded = sound.astype(np.float64)
    faded[:head] *= _rise(head)[:, None]
    faded[len(faded) - tail :] *= _rise(tail)[::-1, None]
    return faded.astype(np.float32)


def finished(faded: Sound, gain: Gain, joined: Joined) -> Sound:
    """A faded sound at its loudness with the silence behind it."""
    louder = faded if not gain.decibels else (faded * np.float64(10 ** (gain.decibels / 20))).astype(np.float32)
    silence = np.zeros((_frames(joined.gap), faded.shape[1]), dtype=np.float32)
    return np.concatenate([louder, silence]) if len(silence) else louder


def _frames(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _rise(frames: int) -> npt.NDArray[np.float64]:
    """From just above 0 to just below 1, without a corner at either end: 3 x^2 - 2 x^3."""
    place = (np.arange(frames, dtype=np.float64) + 0.5) / max(frames, 1)
    rise: npt.NDArray[np.float64] = place * place * (3.0 - 2.0 * place)
    return rise
