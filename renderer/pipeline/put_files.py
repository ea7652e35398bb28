"""Files into a folder of the user's: all under their names at the end, or none; what is there is never written over."""

from __future__ import annotations

import filecmp
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.store.disk import RealDisk, commit, temp_beside
from renderer.store.edits import sole_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def put_files(folder: Path, files: Mapping[str, Callable[[Path], None]]) -> tuple[Path, ...]:
    """Name -> what writes the file to the path that it is given; their paths, of those there already, too.

    Each is made whole under a temporary name before the first gets its own, in this order: killed before that, none is
    there, and later a second run names the rest, as their bytes are the same.

    Raises: UsageError naming every file that is there and holds something else; StoreError, OSError.
    """
    disk = RealDisk()
    temps: dict[Path, Path] = {}
    with sole_writer(folder, disk):
        try:
            for name, make in files.items():
                temps[folder / name] = temp = temp_beside(disk, folder / name)
                make(temp)
            _refuse_others(temps)
            for target, temp in temps.items():
                if not os.path.lexists(target):
                    commit(disk, temp, target, num_bytes=temp.stat().st_size, name=disk.name_new)
        finally:
            for temp in temps.values():
                with suppress(OSError):
                    temp.unlink(missing_ok=True)
    return tuple(temps)


def _refuse_others(temps: Mapping[Path, Path]) -> None:
    other = [target for target, temp in temps.items() if os.path.lexists(target) and not _same(target, temp)]
    if other:
        raise UsageError(
            f"{', '.join(f'`{path}`' for path in other)} would be written over",
            why="what lies there holds something else; nothing was written",
            help="give another folder with --to, or move them away",
        )


def _same(target: Path, temp: Path) -> bool:
    return target.is_file() and filecmp.cmp(target, temp, shallow=False)
