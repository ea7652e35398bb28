"""A page in a folder of the user's: written over one of ours, and over nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import open_regular

if TYPE_CHECKING:
    from pathlib import Path

_MARK = b'<meta name="generator" content="renderer'
_HEAD = 4096  # bytes that hold it, before the styles


def refuse_foreign(page: Path) -> None:
    """Look whether a page may be written there: nothing is there, or one of ours.

    Raises: UsageError for whatever else is.
    """
    if os.path.lexists(page) and _MARK not in _head(page):
        raise UsageError(
            f"`{page}` would be written over",
            why="what lies there is no page of `renderer`'s",
            help="give another folder with --to, or move it away",
        )


def _head(page: Path) -> bytes:
    """Nothing of what can't be read."""
    try:
        with open_regular(page) as file:
            return file.read(_HEAD)
    except OSError:
        return b""
