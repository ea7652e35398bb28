"""Samples of a lossless file held against those that were encoded: in spans, which several threads may take at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import soundfile

from renderer.facts import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    Frames = npt.NDArray[np.float32]
    Way = Callable[[Frames, Frames], Frames]

CHUNK_FRAMES = 262_144
"""So few pieces that a dozen threads spend their time on them, not on waiting for Python's lock after each."""
SPAN_FRAMES = 4 * CHUNK_FRAMES  # 22 s: a file of three minutes is for nine threads


class Each(Protocol):
    """`map`, or an executor's."""

    def __call__(self, function: Callable[[int], _Span], starts: Iterable[int], /) -> Iterable[_Span]:
        """What the function gives for each start, in their order."""


class _Span(NamedTuple):
    """What was read of a span."""

    read: int
    """Frames."""
    like: frozenset[Way]
    """How the encoder may have made 24 bits of floats, judged by them; none where a sample is another."""
    fault: str = ""
    """What else is amiss."""


def compare_samples(frames: Frames, path: Path, each: Each) -> Callable[[], str]:
    """Begin to read a file back; what is returned waits and tells what differs from [frames, channels], or nothing.

    Raises, then or now: LibsndfileError, OSError.
    """
    starts = range(0, max(1, len(frames)), SPAN_FRAMES)
    return partial(_fault_in, each(partial(_read_span, frames, path), starts), len(frames))


def fault_in_length(read: int, expected: int) -> str:
    """What to tell of so many frames where others are expected; nothing of as many."""
    return "" if read == expected else f"{read:,} of {expected:,} frames read back"


def _fault_in(spans: Iterable[_Span], num_frames: int) -> str:
    # libsndfile cuts floats to 24 bits for WAV and rounds them for FLAC: whichever it does, it does for all.
    read, like = 0, frozenset(_TO_24_BITS)
    for number, span in enumerate(spans, start=1):
        read, like = read + span.read, like & span.like
        if span.fault:
            return span.fault
        if not like:
            return f"a sample is another before {read / SAMPLE_RATE:.1f} s"
        if read < min(num_frames, number * SPAN_FRAMES):
            break
    return fault_in_length(read, num_frames)


def _read_span(frames: Frames, path: Path, start: int) -> _Span:
    with soundfile.SoundFile(path) as sound:
        if (sound.samplerate, sound.channels) != (SAMPLE_RATE, frames.shape[1]):
            return _Span(0, frozenset(), f"{sound.channels} channels at {sound.samplerate} Hz")
        if sound.frames != len(frames):
            return _Span(0, frozenset(), fault_in_length(sound.frames, len(frames)))
        return _compared(sound, frames[start : start + SPAN_FRAMES], start)


def _compared(sound: Any, wanted: Frames, start: int) -> _Span:
    read, like = 0, frozenset(_TO_24_BITS)
    # The same memory for every chunk: whoever asks the system for it anew waits for other threads that do.
    heard, steps = (np.empty((CHUNK_FRAMES, wanted.shape[1]), dtype=np.float32) for _ in range(2))
    sound.seek(start)
    while like and read < len(wanted):
        heard.fill(np.nan)  # equal to nothing, should the library count frames that it left as they were
        count = len(sound.read(out=heard[: len(wanted) - read]))
        if not count:
            break
        heard *= _FULL_SCALE_24
        expected = wanted[read : read + count]
        like = frozenset(way for way in like if np.array_equal(way(expected, steps[:count]), heard[:count]))
        read += count
    return _Span(read, like)


# In float32, which is exact here: powers of two alone, and what exceeds 24 bits has no fraction.
_FULL_SCALE_24, _FULL_SCALE_32, _CUT_OFF = (np.float32(2**bits) for bits in (23, 31, 8))


def _cut(frames: Frames, steps: Frames) -> Frames:
    np.rint(_scaled(frames, _FULL_SCALE_32, steps), out=steps)
    return _within_24_bits(np.floor(np.divide(steps, _CUT_OFF, out=steps), out=steps))


def _rounded(frames: Frames, steps: Frames) -> Frames:
    return _within_24_bits(np.rint(_scaled(frames, _FULL_SCALE_24, steps), out=steps))


def _scaled(frames: Frames, by: np.float32, steps: Frames) -> Frames:
    # Frames are a view of samples that lie channel after channel; numpy takes a third of the time for each alone.
    for channel in range(frames.shape[1]):
        np.multiply(frames[:, channel], by, out=steps[:, channel])
    return steps


def _within_24_bits(steps: Frames) -> Frames:
    return np.clip(steps, -_FULL_SCALE_24, _FULL_SCALE_24 - 1, out=steps)


_TO_24_BITS = (_cut, _rounded)
