"""Parts of model sets looked through for a plan; what is sound is remembered by path, size and time. No torch."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import platformdirs

from renderer import __version__
from renderer.errors import ModelError
from renderer.files import size_and_times
from renderer.models.family import family
from renderer.store.disk import RealDisk, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

MOST_REMEMBERED = 500


def faults(files: ModelFiles, parts: Iterable[str] | None = None) -> Mapping[str, tuple[ModelError, ...]]:
    """What is wrong with the files of these parts, or of all; those that are sound have no entry."""
    known = _read_memory()
    found, sound = {}, []
    own = family(files.family)
    for part in own.parts if parts is None else parts:
        mark = _mark(part, files)
        if mark in known:
            continue
        found[part] = own.look(part, files)
        if not found[part] and mark is not None:
            sound.append(mark)
    if sound:
        _write_memory([*known, *sound][-MOST_REMEMBERED:])
    return {part: errors for part, errors in found.items() if errors}


def _mark(part: str, files: ModelFiles) -> str | None:
    """A digest of the paths, sizes and times of what a part reads; None where some of it isn't there."""
    own = family(files.family)
    try:
        paths = [one.path for one in (*own.files_of(part, files), *own.context_files(part, files))]
    except (ModelError, OSError):
        return None
    stats = [(str(path), *found) for path in paths if (found := size_and_times(path)) is not None]
    if len(stats) < len(paths):
        return None
    return hashlib.sha256(json.dumps([__version__, part, files.layout, files.loras, stats]).encode()).hexdigest()


def _memory_path() -> Path:
    return platformdirs.user_cache_path("renderer") / "looked.json"


def _read_memory() -> list[str]:
    try:
        found = json.loads(_memory_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []  # A lost memory only costs looking again.
    return [mark for mark in found if isinstance(mark, str)] if isinstance(found, list) else []


def _write_memory(marks: list[str]) -> None:
    with suppress(OSError):
        write_whole(RealDisk(), _memory_path(), json.dumps(marks).encode())
