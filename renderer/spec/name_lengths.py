"""Whether the disk takes every name that is made of a song's: takes, previews, former versions, what lies beside them.

In bytes, not characters. A take is `song.variant.s7`, its preview has `.preview20` behind that, a former version the
head of its key, what was altered by hand the head of its digest; in `.store` a folder bears the take's name.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.formats.table import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from renderer.song import Song, Take

NAME_BYTES = 255  # what nearly every file system takes
PATH_BYTES = 4_096
ADDED_BYTES = len(".s4294967295.preview1.23457e+06.01234567-01234567.stray-01234567.") + max(map(len, FORMATS))
"""The most that is put behind a song and its variant."""
_FOLDERS = 64  # whose room is remembered: thousands of takes ask for the same one's
_FOLDERS_BYTES = len("/.store/takes//") + len("0" * 64 + "-01234567.json")
"""The most that lies around a take's name in the outputs folder, beside what it is put behind it."""


@lru_cache(_FOLDERS)
def name_room(outputs: Path | None = None) -> int:
    """Bytes that a song and its variant may have together, for their files to be written to `outputs`."""
    if outputs is None:
        return NAME_BYTES - ADDED_BYTES
    folder = next((above for above in (outputs, *outputs.parents) if above.is_dir()), outputs)
    names = min(NAME_BYTES, _limit(folder, "PC_NAME_MAX", NAME_BYTES)) - ADDED_BYTES
    paths = _limit(folder, "PC_PATH_MAX", PATH_BYTES) - 1 - len(os.fsencode(outputs)) - _FOLDERS_BYTES - ADDED_BYTES
    # The song's name is in the path twice: `outputs/song/old/song.variant.s7.flac`.
    return max(0, min(names, paths // 2))


def _limit(folder: Path, name: str, usual: int) -> int:
    """What the disk of a folder says of itself; `usual` where it says nothing, or that there is none."""
    try:
        said = os.pathconf(folder, name)
    except (OSError, ValueError):
        return usual
    return said if said > 0 else usual


def length_fault(name: str, outputs: Path | None = None) -> str:
    """Why `song` or `song.variant` is too long; nothing when it fits."""
    length, most = len(name.encode("utf-8", "surrogatepass")), name_room(outputs)
    if length <= most:
        return ""
    return f"it has {length} bytes, {most} leave room for the names of takes, previews and former versions"


def called(song: Song, variant: str) -> str:
    """What the names of a variant's takes begin with."""
    return f"{song.name}.{variant}" if variant else song.name


def refuse_long_names(takes: Iterable[Take], outputs: Path) -> None:
    """Raises: UsageError for takes whose files the outputs folder's disk can't name."""
    for name in dict.fromkeys(called(take.song, take.variant.name) for take in takes):
        if fault := length_fault(name, outputs):
            raise UsageError(
                f"`{name}` is too long a name for `{outputs.name}`",
                why=fault,
                help="rename the spec or the variant, or give another folder with --out",
            )
