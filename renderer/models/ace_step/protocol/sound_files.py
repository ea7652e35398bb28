"""Audio files that takes are made from: opened whatever they are called, looked at before anything runs. No torch."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.errors import UsageError
from renderer.facts import SAMPLE_RATE
from renderer.models.ace_step.protocol.requests import NamedSound
from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        raise UsageError(f"`{path}` can't be opened", why=error.strerror or f"{error}") from error
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return descriptor
    os.close(descriptor)
    what = "it is empty" if stat.S_ISREG(found.st_mode) else "it is no file"
    raise UsageError(f"`{path}` can't be read as sound", why=what, help="name an audio file")


def look_at(path: Path, max_seconds: float) -> NamedSound:
    """A file as requests name it, its bytes hashed once.

    Raises: UsageError for what no take can be made from, as far as its header tells.
    """
    with opened(path) as sound:
        frames, rate = sound.frames, sound.samplerate
    if not MIN_RATE <= rate <= MAX_RATE:
        raise UsageError(
            f"`{path.name}` has a sample rate of {rate} Hz",
            why=f"{MIN_RATE} to {MAX_RATE} Hz are read",
            help=f"convert it to {SAMPLE_RATE} Hz",
        )
    seconds = ceil(frames * SAMPLE_RATE / rate) / SAMPLE_RATE
    _refuse_length(path, seconds, max_seconds)
    found = path.stat()
    digest = _digest(str(path), found.st_size, found.st_mtime_ns)
    return NamedSound(digest=digest, path=str(path), seconds=seconds)


def _refuse_length(path: Path, seconds: float, max_seconds: float) -> None:
    if seconds < MIN_SECONDS:
        raise UsageError(f"`{path.name}` is too short: {seconds:g} s", why=f"{MIN_SECONDS:g} s are needed at least")
    if seconds > max_seconds:
        raise UsageError(
            f"`{path.name}` is too long: {seconds:.0f} s",
            why=f"the model works on at most {max_seconds:g} s",
            help="cut out the part that is meant",
        )


@cache
def _digest(path: str, _size: int, _mtime: int) -> str:
    return file_digest(Path(path))
