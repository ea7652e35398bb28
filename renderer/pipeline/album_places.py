"""Which album.toml is meant. Reads none: a check looks for them every time."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import is_folder, real
from renderer.folders import SPECS_FOLDER, specs_folder
from renderer.spec.load import ALBUM_NAME, find_albums
from renderer.spec.near import path_suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_album(named: str) -> bool:
    """Whether what is named on the command line is an album's file."""
    return Path(named).name == ALBUM_NAME


def albums_of(named: Sequence[str]) -> tuple[Path, ...]:
    """The albums among files and folders; nothing means those in the folder `specs` and beside it.

    Raises: UsageError for a file that isn't there.
    """
    found: list[Path] = []
    for path in map(Path, named or (specs_folder(),)):
        if path.name == ALBUM_NAME and not is_folder(path):
            found.append(_there(path))
        elif is_folder(path):
            beside = path.parent / ALBUM_NAME if real(path).name == SPECS_FOLDER else None
            found += [*([beside] if beside and os.path.lexists(beside) else []), *find_albums(path)]
    return tuple({real(path): path for path in found}.values())


def the_album(named: Path | None) -> Path:
    """The one album meant: a file, or a folder's; where none is named, that of the folder `specs` or beside it.

    Raises: UsageError where there is none, or more than one.
    """
    if named is not None:
        return _there(named / ALBUM_NAME if is_folder(named) else named)
    specs = specs_folder()
    found = [path for path in (specs.parent / ALBUM_NAME, specs / ALBUM_NAME) if os.path.lexists(path)]
    if len(found) > 1:
        raise UsageError(
            f"there are two albums: {' and '.join(f'`{path}`' for path in found)}",
            help=f"renderer album {shlex.quote(str(found[0]))}",
        )
    if not found:
        raise UsageError(
            f"there is no `{ALBUM_NAME}`",
            why=f"looked for it beside `{specs}` and in it",
            help='renderer new --album "A title" writes one with every song',
        )
    return found[0]


def _there(path: Path) -> Path:
    if path.name != ALBUM_NAME:
        raise UsageError(
            f"`{path}` is no album",
            why=f"an album's file is called `{ALBUM_NAME}`; of several albums each has a folder of its own",
            help=path_suggestion(path, ".toml") or "name its file or its folder: renderer album FOLDER",
        )
    if not os.path.lexists(path):
        raise UsageError(
            f"`{path}` does not exist",
            help=path_suggestion(path) or 'renderer new --album "A title" writes one with every song',
        )
    return path
