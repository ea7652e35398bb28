"""Bytes onto the disk so that power loss leaves the old file or the new one, never half of either.

The one seam between the store and the operating system: tests put a failing disk in its place.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from typing import TYPE_CHECKING, Protocol

from renderer.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

TEMP_PREFIX = ".tmp-"


class Disk(Protocol):
    """What the store asks of the operating system."""

    def write(self, path: Path, content: bytes) -> None:
        """A new file with this content, not yet flushed."""

    def flush(self, path: Path) -> None:
        """Return once the file's content is on the drive."""

    def replace(self, source: Path, target: Path) -> None:
        """Give the file its final name, over whatever bears it."""

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

    def flush_folder(self, folder: Path) -> None:
        """See `Disk.flush_folder`."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def append(self, path: Path, line: bytes) -> None:
        """See `Disk.append`."""
        with path.open("ab") as file:
            file.write(line)
            file.flush()
            _flush(file.fileno())

    def read(self, path: Path) -> bytes:
        """See `Disk.read`."""
        return path.read_bytes()

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


def temp_beside(target: Path) -> Path:
    """A fresh, empty file in the target's folder, same ending, for content that isn't whole yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = target.parent / f"{TEMP_PREFIX}{secrets.token_hex(8)}{target.suffix}"
    # Not tempfile: its files are for their owner alone, and this one becomes the target.
    with temp.open("xb"):
        return temp


def commit(disk: Disk, temp: Path, target: Path, *, num_bytes: int) -> None:
    """Turn a whole temporary file into `target`: length check, flush, rename, flush of the folder.

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
    disk.replace(temp, target)
    disk.flush_folder(target.parent)


def write_whole(disk: Disk, target: Path, content: bytes) -> None:
    """`content` at `target`, or what was there before.

    Raises: StoreError, OSError (disk full, read-only, I/O error); the temporary file is gone then.
    """
    temp = temp_beside(target)
    try:
        disk.write(temp, content)
        commit(disk, temp, target, num_bytes=len(content))
    except BaseException:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)
        raise


def move_take(disk: Disk, audio: Path, to: Path) -> None:
    """Give an audio file and the sidecar beside it other names, in an order that a crash can't make lose either.

    Raises: OSError as the disk gives it.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    # The sidecar first: cut off between the two, the audio still bears its name and is moved again, alone.
    for source, target in ((audio.with_suffix(".toml"), to.with_suffix(".toml")), (audio, to)):
        if source.exists():
            disk.replace(source, target)
    for folder in {audio.parent, to.parent}:
        disk.flush_folder(folder)
