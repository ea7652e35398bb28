"""Sound files of any kind: opened whatever they are called; how long one is, whether anything can be made from it."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from functools import cache
from math import ceil
from typing import TYPE_CHECKING, Any

from renderer.errors import UsageError
from renderer.facts import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIN_SECONDS = 1.0
MIN_RATE, MAX_RATE = 4_000, 384_000  # Hz, in which music comes
_CONVERT = "export it as WAV or FLAC"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as `soundfile` reads it, by its content and never by its name.

    Raises: UsageError for what isn't there or is no sound.
    """
    import soundfile  # noqa: PLC0415 - only where there is such a file

    descriptor = _descriptor(path)
    try:
        # By a descriptor: a path that ends in `.raw` would be read as samples of some kind, whatever lies in it.
        with soundfile.SoundFile(descriptor, closefd=False) as sound:
            yield sound
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        raise UsageError(
            f"`{path.name}` can't be read as sound", why=f"{error}".replace(f"{descriptor}", path.name), help=_CONVERT
        ) from error
    finally:
        os.close(descriptor)


def _descriptor(path: Path) -> int:
    try:
        # A pipe would wait for whoever writes to it, for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise UsageError(f"`{path.name}` can't be opened", why=error.strerror or f"{error}") from error
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return descriptor
    os.close(descriptor)
    what = "it is empty" if stat.S_ISREG(found.st_mode) else "it is no file"
    raise UsageError(f"`{path.name}` can't be read as sound", why=what, help="name an audio file")


def sound_seconds(path: Path, max_seconds: float) -> float:
    """How long a file is at 48 kHz, by its head.

    Raises: UsageError for what no take can be made from, as far as that tells.
    """
    frames, rate = _frames_and_rate(path)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UsageError(
            f"`{path.name}` has a sample rate of {rate} Hz",
            why=f"{MIN_RATE} to {MAX_RATE} Hz are read",
            help=f"convert it to {SAMPLE_RATE} Hz",
        )
    seconds = ceil(frames * SAMPLE_RATE / rate) / SAMPLE_RATE
    if seconds < MIN_SECONDS:
        raise UsageError(f"`{path.name}` is too short: {seconds:g} s", why=f"{MIN_SECONDS:g} s are needed at least")
    if seconds > max_seconds:
        raise UsageError(
            f"`{path.name}` is too long: {seconds:.0f} s",
            why=f"the model works on at most {max_seconds:g} s",
            help="cut out the part that is meant",
        )
    return seconds


def _frames_and_rate(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise UsageError(f"`{path.name}` can't be opened", why=error.strerror or f"{error}") from error
    return _read(path, found.st_size, found.st_mtime_ns)


@cache
def _read(path: Path, _size: int, _mtime: int) -> tuple[int, int]:
    # Asked for again and again while takes are planned, and an MP3's length is known once all of it is looked through.
    with opened(path) as sound:
        return sound.frames, sound.samplerate
