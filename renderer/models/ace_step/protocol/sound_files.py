"""Audio files that takes are made from, as requests name them: looked at before anything runs. No torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from renderer.formats.sound_head import sound_seconds
from renderer.models.ace_step.protocol.requests import NamedSound
from renderer.store.takes import file_digest


def look_at(path: Path, max_seconds: float) -> NamedSound:
    """A file as requests name it, its bytes hashed once.

    Raises: UsageError for what no take can be made from, as far as its head tells.
    """
    seconds, found = sound_seconds(path, max_seconds), path.stat()
    digest = _digest(str(path), found.st_size, found.st_mtime_ns)
    return NamedSound(digest=digest, path=str(path), seconds=seconds)


@cache
def _digest(path: str, _size: int, _mtime: int) -> str:
    return file_digest(Path(path))
