"""Locks that the operating system frees, also between machines that share a folder, and where they can't hold there."""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_POLL_SECONDS = 0.02
_MOUNTS = Path("/proc/self/mountinfo")
_LOCAL = {"nolock", "local_lock=all", "local_lock=flock"}


def _always(_: frozenset[str]) -> bool:
    return True


LOCAL_LOCKS: Mapping[str, Callable[[frozenset[str]], bool]] = {
    "nfs": lambda options: not _LOCAL.isdisjoint(options),
    "nfs4": lambda options: not _LOCAL.isdisjoint(options),
    "cifs": lambda options: "nobrl" in options,
    "smb3": lambda options: "nobrl" in options,
    "lustre": lambda options: "flock" not in options,
    "9p": _always,
    "vboxsf": _always,
    "fuse.sshfs": _always,
    "fuse.s3fs": _always,
    "fuse.gcsfuse": _always,
    "fuse.rclone": _always,
    "fuse.goofys": _always,
    "fuse.mount-s3": _always,
}
"""Type of a shared file system -> whether locks stay on the machine that takes them, by its mount's options.

Sources: nfs(5), mount.cifs(8), mount.lustre(8), and the manuals of those in user space.
"""


def why_local(folder: Path, mounts: str | None = None) -> str | None:
    """Why a lock in the folder isn't seen by other machines that share it; None where nothing is known against it.

    `mounts` is what the kernel says of what is mounted, of this machine where none is given.
    """
    if mounts is None:
        mounts = _read_mounts()
    found = _mount_of(os.path.realpath(folder), mounts)
    if found is None:
        return None
    point, kind, options = found
    rule = LOCAL_LOCKS.get(kind)
    if rule is None or not rule(options):
        return None
    told = sorted(_LOCAL & options) or (["nobrl"] if "nobrl" in options else [])
    return f"`{point}` is mounted as {kind}" + (f" with {', '.join(told)}" if told else "")


@contextmanager
def locked(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    """Hold a lock on the file, alone; waits so long for another to let go.

    Raises: BlockingIOError when that one doesn't; OSError as the disk gives it.
    """
    with _held(path, fcntl.LOCK_EX, timeout_seconds):
        yield


@contextmanager
def locked_with_others(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    """Hold a lock on the file beside others that hold it so, and beside none that holds it alone.

    Raises: BlockingIOError when one doesn't let go; OSError as the disk gives it.
    """
    with _held(path, fcntl.LOCK_SH, timeout_seconds):
        yield


def is_locked(path: Path) -> bool:
    """Whether anybody holds a lock on the file; of one that isn't there, nobody does."""
    if not path.exists():
        return False
    try:
        with locked(path, timeout_seconds=0.0):
            return False
    except BlockingIOError:
        return True


@contextmanager
def _held(path: Path, kind: int, timeout_seconds: float) -> Iterator[None]:
    # For reading and writing: NFS wants the one for a shared lock and the other for one alone.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        _take(descriptor, kind, time.monotonic() + timeout_seconds)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            if time.monotonic() > until:
                raise BlockingIOError(error.errno, error.strerror) from error
            time.sleep(_POLL_SECONDS)
        else:
            return


def _read_mounts() -> str:
    with suppress(OSError):
        return _MOUNTS.read_text(encoding="utf-8", errors="replace")
    return ""


def _mount_of(path: str, mounts: str) -> tuple[str, str, frozenset[str]] | None:
    """The mount that a path lies on: where, its type, its options. The last of those that lie over each other."""
    best = None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields, behind = before.split(), after.split()
        if not dash or len(fields) < 6 or not behind:  # noqa: PLR2004 - as proc(5) has it
            continue
        point = _unescaped(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and (best is None or len(point) >= len(best[0])):
            best = (point, behind[0], _options(fields[5], *behind[2:]))
    return best


def _options(*texts: str) -> frozenset[str]:
    listed: Sequence[str] = [option for text in texts for option in text.split(",")]
    return frozenset(listed)


def _unescaped(point: str) -> str:
    r"""A path as proc(5) writes it: `\040` for a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
