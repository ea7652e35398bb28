"""What a misspelt name was to be, among the names there are."""

from __future__ import annotations

import errno
from difflib import get_close_matches
from typing import TYPE_CHECKING

from renderer.files import is_folder, lies_there, what_to_do

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST = 100  # characters of a name that are looked at
_NEAR = 0.6  # likeness, of 1.0, from which on names are near


def nearest(written: str, known: Iterable[str], *, cutoff: float = _NEAR) -> str:
    """What is known and nearest to what is written, whatever the letters' case; empty where nothing is near."""
    found = near_names(written, known, most=1, cutoff=cutoff)
    return found[0] if found else ""


def near_names(written: str, known: Iterable[str], *, most: int = 3, cutoff: float = _NEAR) -> tuple[str, ...]:
    """What is known and near, the nearest first."""
    by_name = {name.lower(): name for name in known}
    return tuple(by_name[name] for name in get_close_matches(written[:_MOST].lower(), by_name, n=most, cutoff=cutoff))


def same_but_case(written: str, known: Iterable[str]) -> str:
    """The known name that differs in its letters' case alone; empty where there is none."""
    return next((name for name in known if name.casefold() == written.strip().casefold()), "")


def suggestion(written: str, known: Iterable[str], *, most: int = 1) -> str:
    """`did you mean …?` when something known is near; else empty."""
    near = near_names(written, known, most=most)
    return f"did you mean {', '.join(f'`{name}`' for name in near)}?" if near else ""


def how_to_read(path: Path, error: OSError) -> str:
    """What to do where a file can't be read; of one that isn't there, which of its ending was meant."""
    return what_to_do(error) or (path_suggestion(path, path.suffix) if error.errno == errno.ENOENT else "")


def path_suggestion(path: Path, *endings: str) -> str:
    """`did you mean …?` when a folder lies there of nearly that name, or a file with one of the endings; else empty."""
    try:
        near = _nearest_path(path, endings)
    except (OSError, ValueError):  # a folder that nobody may list
        return ""
    return "" if near is None else f"did you mean `{near}`?"


def _nearest_path(path: Path, endings: tuple[str, ...]) -> Path | None:
    # Step by step from the last folder that is there: a path may have thousands of parts.
    found = next((folder for folder in path.parents if is_folder(folder)), None)
    steps = path.relative_to(found).parts if found is not None else ()
    for place, step in enumerate(steps, 1):
        if found is not None and place > 1 and lies_there(found / step):
            found /= step
        elif found is not None:
            found = _nearest_in(found, step, endings if place == len(steps) else ())
    return found


def _nearest_in(folder: Path, name: str, endings: tuple[str, ...]) -> Path | None:
    # A link of that very name leads nowhere.
    others = (one for one in folder.iterdir() if one.name != name)
    there = [one.name for one in others if one.suffix in endings or is_folder(one)]
    written = (name, *(f"{name}{ending}" for ending in endings))
    return next((folder / near for one in written if (near := nearest(one, there))), None)
