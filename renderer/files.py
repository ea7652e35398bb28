"""Files as they may lie on a user's disk: only regular ones are opened, and looking at a name never raises.

Opening a named pipe waits for ever, a link may lead to itself, and a name may be longer than any file's.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BufferedReader

_FOLDER = "a folder"
_KINDS = (
    (stat.S_ISDIR, _FOLDER),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ADVICE = {
    errno.ENOSPC: "free some space, then try again",
    errno.EDQUOT: "free some of your quota, then try again",
    errno.EROFS: "the file system is read-only: write to another folder, or remount it",
    errno.EACCES: "it belongs to someone else: take another folder, or give yourself the right",
    errno.EPERM: "it belongs to someone else: take another folder, or give yourself the right",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.ELOOP: "it is a link that leads to itself: take it away",
    errno.EIO: "check the drive",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.ENFILE: "too many files are open: end other programs",
    errno.ENOLCK: "this file system can't lock files: take a folder on another",
    errno.ENOSYS: "this file system can't do that: take a folder on another",
    errno.ENOTDIR: "a file lies where a folder belongs",
    errno.EISDIR: "a folder lies where a file belongs",
    errno.ESTALE: "the network drive has lost it: mount it anew",
}


def open_regular(path: Path) -> BufferedReader:
    """A regular file, links followed, to read.

    Raises: OSError as the system gives it; of EISDIR for a folder, of EINVAL for a named pipe, a socket or a device.
    """
    return os.fdopen(_opened(path)[0], "rb")


def _opened(path: Path) -> tuple[int, int]:
    """A regular file's descriptor, for the caller to close, and its size."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise OSError(errno.EINVAL, "it is a socket, not a file", str(path)) from error
        raise
    state = os.fstat(descriptor)
    if not (kind := other_kind(state.st_mode)):
        return descriptor, state.st_size
    os.close(descriptor)
    number = errno.EISDIR if kind == _FOLDER else errno.EINVAL
    raise OSError(number, f"it is {kind}, not a file", str(path))


def other_kind(mode: int) -> str:
    """What lies there instead of a regular file, by its `st_mode`: `a folder`, `a named pipe`; empty for a file."""
    if stat.S_ISREG(mode):
        return ""
    return next((name for holds, name in _KINDS if holds(mode)), "something else")


def read_regular(path: Path) -> bytes:
    """What a regular file holds.

    Raises: see `open_regular`.
    """
    # Not through a file object, which takes as long as the reading: a library is read file by file.
    descriptor, size = _opened(path)
    try:
        chunks = []
        while chunk := os.read(descriptor, size + 1):
            chunks.append(chunk)
    finally:
        os.close(descriptor)
    return b"".join(chunks)


def is_regular(path: Path) -> bool:
    """Whether a regular file lies there, links followed; not where that can't be told."""
    try:
        return path.is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def is_folder(path: Path | os.DirEntry[str]) -> bool:
    """Whether a folder lies there, links followed; not where that can't be told."""
    try:
        return path.is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def lies_there(path: Path) -> bool:
    """Whether anything lies there, links followed; not where that can't be told."""
    try:
        return path.exists()
    except (OSError, ValueError, RuntimeError):
        return False


def size_and_times(path: Path) -> tuple[int, int, int] | None:
    """What another content comes with, links followed: a key for what was read of a file. None where none is."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    # The time of the last change to the file's entry, too: a copy may bring its old time along.
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def real(path: Path) -> Path:
    """Where links lead; of one that leads nowhere, its own absolute path."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a link that leads to itself
        return Path(os.path.abspath(path))  # noqa: PTH100 - `Path.absolute` leaves `..` in


def by_real(files: Iterable[Path]) -> dict[Path, Path]:
    """Where files lead -> the first of them that leads there; of thousands, their folders' links are followed once."""
    folders: dict[Path, Path] = {}
    found: dict[Path, Path] = {}
    for file in files:
        folder = folders.get(file.parent) or folders.setdefault(file.parent, real(file.parent))
        # As text: a path takes half as long again to make.
        found.setdefault(real(file) if os.path.islink(file) else folder / file.name, file)  # noqa: PTH114
    return found


def from_home(written: str) -> Path:
    """`~/models` from the user's home; `~somebody` who isn't known stays a name."""
    try:
        return Path(written).expanduser()
    except RuntimeError:
        return Path(written)


def why_refused(error: OSError) -> str:
    """What the system says, in lower case."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]


def what_to_do(error: OSError) -> str:
    """What helps against a refusal of the system; empty where that can't be told."""
    return _ADVICE.get(error.errno or 0, "")
