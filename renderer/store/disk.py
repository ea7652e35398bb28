"""Bytes onto the disk so that power loss leaves the old file or the new one, never half of either.

The one seam between the store and the operating system: tests put a failing disk in its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import sys
import time
from typing import TYPE_CHECKING, Protocol

from renderer.errors import StoreError
from renderer.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEMP_PREFIX = ".tmp-"
_TEMP = re.compile(r"\.tmp-[0-9a-f]{16}(\.[A-Za-z0-9]{1,16})?")
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_NO_FOLDER_FLUSH = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})

BESIDE = (".toml", ".lrc")
"""Endings of what lies beside a take's audio and goes where it goes."""


class Disk(Protocol):
    """What the store asks of the operating system."""

    def write(self, path: Path, content: bytes) -> None:
        """A new file with this content, not yet flushed."""

    def flush(self, path: Path) -> None:
        """Return once the file's content is on the drive."""

    def replace(self, source: Path, target: Path) -> None:
        """Give the file its final name, over whatever bears it."""

    def name_new(self, source: Path, target: Path) -> None:
        """Give the file its final name, which nothing bears yet.

        Raises: FileExistsError when something does.
        """

    def flush_folder(self, folder: Path) -> None:
        """Return once the folder's names are on the drive."""

    def append(self, path: Path, line: bytes) -> None:
        """Add a line to the end of a file, flushed."""

    def read(self, path: Path) -> bytes:
        """The file's content."""

    def remove(self, path: Path) -> None:
        """Take the file away."""


class RealDisk:
    """The operating system's own files."""

    def write(self, path: Path, content: bytes) -> None:
        """See `Disk.write`."""
        path.write_bytes(content)

    def flush(self, path: Path) -> None:
        """See `Disk.flush`."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            _flush(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """See `Disk.replace`."""
        source.replace(target)

    def name_new(self, source: Path, target: Path) -> None:
        """See `Disk.name_new`."""
        try:
            target.hardlink_to(source)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # exFAT and some network drives know no second name: there a look must do.
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            source.rename(target)
        else:
            source.unlink()

    def flush_folder(self, folder: Path) -> None:
        """See `Disk.flush_folder`."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Network drives that flush names by themselves refuse it.
            if error.errno not in _NO_FOLDER_FLUSH:
                raise
        finally:
            os.close(descriptor)

    def append(self, path: Path, line: bytes) -> None:
        """See `Disk.append`."""
        # Where a link lies in its place, what it leads to is not ours.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666), "ab") as file:
            file.write(line)
            file.flush()
            _flush(file.fileno())

    def read(self, path: Path) -> bytes:
        """See `Disk.read`."""
        return read_regular(path)

    def remove(self, path: Path) -> None:
        """See `Disk.remove`."""
        path.unlink()


def _flush(descriptor: int) -> None:
    # On macOS fsync leaves the bytes in the drive's cache; F_FULLFSYNC does not.
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - exists on POSIX only

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def make_folder(disk: Disk, folder: Path) -> None:
    """Make the folder and those above it that aren't there; their names are on the drive when this returns.

    Raises: OSError as the disk gives it.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        # Who may make a folder may not always read the one above it, and without that nobody can flush it.
        with contextlib.suppress(PermissionError):
            disk.flush_folder(made.parent)


def temp_beside(disk: Disk, target: Path) -> Path:
    """A fresh, empty file in the target's folder, same ending, for content that isn't whole yet."""
    make_folder(disk, target.parent)
    token = temp_name()
    temp = target.parent / (f"{token}{target.suffix}" if is_temp(f"{token}{target.suffix}") else token)
    # Not tempfile: its files are for their owner alone, and this one becomes the target.
    with temp.open("xb"):
        return temp


def temp_name() -> str:
    """A fresh name for content that isn't whole yet; an ending of letters and digits may follow."""
    return f"{TEMP_PREFIX}{secrets.token_hex(8)}"


def is_temp(name: str) -> bool:
    """Whether a file's name is one that `temp_beside` gives, and not just one that begins like it."""
    return _TEMP.fullmatch(name) is not None


def clear_temps(folder: os.PathLike[str], *, older_than_seconds: float = 0.0) -> None:
    """Take away what a killed writer left in just this folder; for whoever holds its lock, or is patient."""
    for entry in _temps(folder, older_than_seconds):
        if entry.is_file(follow_symlinks=False):
            with contextlib.suppress(OSError):
                os.unlink(entry.path)  # noqa: PTH108 - a path of scandir's


def clear_temp_folders(folder: Path, *, older_than_seconds: float) -> None:
    """Take away folders that were for what isn't whole yet, with all in them: only where we make such folders."""
    for entry in _temps(folder, older_than_seconds):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)


def _temps(folder: os.PathLike[str], older_than_seconds: float) -> Iterator[os.DirEntry[str]]:
    """What bears a name of `temp_name` in just this folder, and has for so long."""
    limit = time.time() - older_than_seconds
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_temp(entry.name):
                with contextlib.suppress(OSError):
                    if not older_than_seconds or entry.stat(follow_symlinks=False).st_mtime <= limit:
                        yield entry


def commit(
    disk: Disk, temp: Path, target: Path, *, num_bytes: int, name: Callable[[Path, Path], None] | None = None
) -> None:
    """Turn a whole temporary file into `target`: length check, flush, rename, flush of the folder.

    `name` gives it its name, over whatever bears it where it isn't given.

    Raises: StoreError when the file is shorter than what was written; OSError as the disk gives it.
    """
    found = temp.stat().st_size
    if found != num_bytes:
        raise StoreError(
            f"`{target.name}` came out {found:,} bytes long, not {num_bytes:,}",
            why="the disk took less than it was given",
            help="check the drive and its free space, then start again",
        )
    disk.flush(temp)
    (name or disk.replace)(temp, target)
    disk.flush_folder(target.parent)


def write_whole(disk: Disk, target: Path, content: bytes) -> None:
    """`content` at `target`, or what was there before.

    Raises: StoreError, OSError (disk full, read-only, I/O error); the temporary file is gone then.
    """
    with _written(disk, target, content) as temp:
        commit(disk, temp, target, num_bytes=len(content))


def write_new(disk: Disk, target: Path, content: bytes) -> None:
    """`content` at `target`, where nothing may be yet; whole or not at all.

    Raises: FileExistsError when something is there, StoreError, OSError; the temporary file is gone then.
    """
    with _written(disk, target, content) as temp:
        commit(disk, temp, target, num_bytes=len(content), name=disk.name_new)


@contextlib.contextmanager
def _written(disk: Disk, target: Path, content: bytes) -> Iterator[Path]:
    temp = temp_beside(disk, target)
    try:
        disk.write(temp, content)
        yield temp
    except BaseException:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)
        raise


def moved_together(audio: Path, to: Path) -> Iterator[tuple[Path, Path]]:
    """An audio file and what lies beside it, each with its new name, the audio last."""
    yield from ((audio.with_suffix(ending), to.with_suffix(ending)) for ending in BESIDE)
    yield audio, to


def move_take(disk: Disk, audio: Path, to: Path) -> None:
    """Give an audio file and what lies beside it other names, in an order that a crash can't make lose any.

    Raises: OSError as the disk gives it.
    """
    make_folder(disk, to.parent)
    # The audio last: cut off before it, it still bears its name and is moved again, with what is left beside it.
    for source, target in moved_together(audio, to):
        if source.exists():
            disk.replace(source, target)
    for folder in {audio.parent, to.parent}:
        disk.flush_folder(folder)
