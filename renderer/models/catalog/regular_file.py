"""Files of checkpoints and adapters are opened only where they are files: not folders, pipes, devices, dead links."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.files import other_kind

if TYPE_CHECKING:
    import os
    from pathlib import Path

FETCH_AGAIN = "fetch the model again: renderer models fetch NAME"
UNFINISHED = (".aria2", ".part", ".crdownload", ".incomplete", ".download", ".tmp")
"""What download programs put behind the name of a file that they haven't whole."""


def regular(path: Path) -> os.stat_result:
    """Size and times of a file, links followed; opens nothing, as a pipe would hang whoever opens it.

    Raises: ModelError saying what lies there instead, or that nothing does.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise _unseen(path, error) from error
    if kind := other_kind(found.st_mode):
        raise ModelError(f"`{path}` is {kind} where a file belongs", help=FETCH_AGAIN)
    _refuse_unfinished(path)
    return found


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file that is `most` bytes long at most.

    Raises: ModelError when it is longer, none, or can't be read.
    """
    size = regular(path).st_size
    if size > most:
        raise ModelError(
            f"`{path}` is {size:,} bytes long", why=f"such a file holds {most:,} at most", help=FETCH_AGAIN
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unseen(path, error) from error


def _unseen(path: Path, error: OSError) -> ModelError:
    if path.is_symlink() and error.errno == errno.ENOENT:
        return ModelError(
            f"`{path}` is missing", why=f"it is a link to `{path.readlink()}`, which isn't there", help=FETCH_AGAIN
        )
    if error.errno == errno.ENOENT:
        unfinished = _unfinished(path)
        why = f"`{unfinished.name}` lies there: its download isn't finished" if unfinished else ""
        return ModelError(f"`{path}` is missing", why=why, help=FETCH_AGAIN)
    if error.errno == errno.ELOOP:
        return ModelError(f"`{path}` can't be read", why="it is a link that leads to itself", help=FETCH_AGAIN)
    advice = "give yourself the right to read it" if error.errno in {errno.EACCES, errno.EPERM} else "check the drive"
    return ModelError(f"`{path}` can't be read", why=str(error.strerror), help=advice)


def _unfinished(path: Path) -> Path | None:
    beside = (path.with_name(path.name + suffix) for suffix in UNFINISHED)
    return next((other for other in beside if other.is_file()), None)


def _refuse_unfinished(path: Path) -> None:
    # aria2 gives a file its whole length at once and fills it later; its list of what is missing lies beside it.
    control = path.with_name(path.name + UNFINISHED[0])
    if control.is_file():
        raise ModelError(
            f"`{path}` isn't whole yet",
            why=f"`{control.name}` lies beside it: its download isn't finished",
            help="let the download finish; where it has, delete that file",
        )
