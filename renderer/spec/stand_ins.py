"""What a spec of a revision names and git doesn't keep: the working folder's files stand for it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.spec.inside import is_inside

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """Which paths are looked for elsewhere."""

    place: Path
    """Where the revision's files were written; resolved."""
    root: Path
    """The working folder that `place` stands for; resolved."""
    paths: frozenset[Path]
    """Below `place`, where nothing was written at them."""


_current: ContextVar[StandIns | None] = ContextVar("_current", default=None)


@contextmanager
def standing_in(stand_ins: StandIns) -> Iterator[None]:
    """Let the working folder's files stand for those that git doesn't keep."""
    before = _current.set(stand_ins)
    try:
        yield
    finally:
        _current.reset(before)


def where_kept(path: Path) -> Path:
    """Where a file or folder lies that a spec names: at its path, or in the working folder."""
    stand_ins = _current.get()
    if stand_ins is None:
        return path
    plain = Path(os.path.normpath(path))
    return stand_ins.root / plain.relative_to(stand_ins.place) if plain in stand_ins.paths else path


def is_kept_inside(path: Path, root: Path) -> bool:
    """As `is_inside`, of the working folder, too, where its files stand for others."""
    stand_ins = _current.get()
    return is_inside(path, root) or (stand_ins is not None and is_inside(path, stand_ins.root))
