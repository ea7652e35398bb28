"""Text files of the user's (specs, picks): read, changed and written again by one process at a time.

What a change doesn't touch stays as it was: line ends, byte-order mark, mode, owner, links. The lock is the folder's
own, held by the operating system: it leaves no file behind, and ends with whoever holds it.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import fcntl
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import StoreError, UsageError
from renderer.files import open_regular, what_to_do, why_refused
from renderer.store.disk import RealDisk, clear_temps, commit, make_folder, temp_beside, write_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from renderer.store.disk import Disk

_BYTE_ORDER_MARK = "\ufeff"
_WAIT_SECONDS = 60.0  # an edit takes milliseconds: who holds the folder that long was stopped in the midst of one
_POLL_SECONDS = 0.01
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """A file as it was found."""

    content: bytes
    state: os.stat_result

    @property
    def text(self) -> str:
        """Without byte-order mark, lines ended by a line feed alone.

        Raises: UnicodeDecodeError.
        """
        return self.content.decode().removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n")

    def like(self, text: str) -> bytes:
        """`text` with this file's byte-order mark and line ends."""
        old = self.content.decode()
        mark = _BYTE_ORDER_MARK if old.startswith(_BYTE_ORDER_MARK) else ""
        return (mark + _with_ends_of(old.removeprefix(_BYTE_ORDER_MARK), text)).encode()


def edit(path: Path, change: Callable[[str], str], *, disk: Disk | None = None) -> None:
    """Write what `change` makes of the file's text, or of an empty one where there is no file; whole or not at all.

    `change` may be called again when somebody else saves the file meanwhile.
    Raises: UsageError when it is no text, StoreError when it is read-only or can't be written.
    """
    disk = disk or RealDisk()
    with _refusals(path):
        # A link stays one: what it leads to is edited.
        real = path.resolve()
        with sole_writer(real.parent):
            for _ in range(_TRIES):
                if _edit(disk, path, real, change):
                    return
    raise StoreError(f"`{path}` is being changed all the time", why="by another program", help="try again")


def rehearse(path: Path, change: Callable[[str], str]) -> None:
    """Look whether `edit` would do, and write nothing.

    Raises: what `change` does, UsageError when the file is no text, StoreError when it is read-only.
    """
    with _refusals(path):
        before = _read(path.resolve())
        if before is not None and change(_text(path, before)) != _text(path, before):
            _refuse_read_only(path, before.state)


def create(files: Mapping[Path, str], *, disk: Disk | None = None) -> None:
    """Write new text files, all of them or none. Where a killed run left some of several, the others are written.

    Raises: UsageError when all are there or something else bears one of the names, StoreError when one can't be
    written.
    """
    disk = disk or RealDisk()
    made: list[Path] = []
    with contextlib.ExitStack() as held:
        try:
            # In one order everywhere, so that two writers don't wait for each other.
            for folder in sorted({path.parent.resolve() for path in files}):
                with _refusals(folder):
                    held.enter_context(sole_writer(folder, disk))
            _refuse_all_there(files)
            for path, text in files.items():
                with _refusals(path):
                    if _is_already(path, text.encode()):
                        continue
                    write_new(disk, path, text.encode())
                    made.append(path)
        except BaseException:
            for path in made:
                with contextlib.suppress(OSError):
                    disk.remove(path)
            raise


@contextlib.contextmanager
def sole_writer(folder: Path, disk: Disk | None = None) -> Iterator[None]:
    """Be the only process, and the only thread, that writes the user's files in a folder; waits its turn.

    What a killed writer left half written there is taken away.
    Raises: StoreError when another doesn't end; OSError as the disk gives it.
    """
    make_folder(disk or RealDisk(), folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, folder)
        clear_temps(folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise
        else:
            return
        if time.monotonic() > until:
            raise StoreError(
                f"another renderer is writing in `{folder}`",
                why=f"and hasn't ended in {_WAIT_SECONDS:g} s",
                help="look for a process that was stopped, end it, and try again",
            )
        time.sleep(_POLL_SECONDS)


def _edit(disk: Disk, path: Path, real: Path, change: Callable[[str], str]) -> bool:
    """One try; False when somebody else saved the file meanwhile."""
    before = _read(real)
    if before is None:
        return _write_new(disk, real, change("").encode())
    text = _text(path, before)
    changed = change(text)
    if changed == text:
        return True
    _refuse_read_only(path, before.state)
    return _replace(disk, real, before, before.like(changed))


def _text(path: Path, before: _Before) -> str:
    try:
        return before.text
    except UnicodeDecodeError as error:
        raise UsageError(f"`{path}` is not UTF-8", why=str(error), help="save the file as UTF-8") from error


def _read(real: Path) -> _Before | None:
    try:
        with open_regular(real) as file:
            return _Before(content=file.read(), state=os.fstat(file.fileno()))
    except FileNotFoundError:
        return None


def _write_new(disk: Disk, real: Path, content: bytes) -> bool:
    try:
        write_new(disk, real, content)
    except FileExistsError:
        return False
    return True


def _replace(disk: Disk, real: Path, before: _Before, content: bytes) -> bool:
    if before.state.st_nlink > 1:
        # Another name for the same file must not be left with the old text.
        return _write_in_place(real, before, content)
    temp = temp_beside(disk, real)
    try:
        disk.write(temp, content)
        temp.chmod(stat.S_IMODE(before.state.st_mode))
        with contextlib.suppress(PermissionError):
            os.chown(temp, before.state.st_uid, before.state.st_gid)
        if _differs(real, before):
            return False
        commit(disk, temp, real, num_bytes=len(content))
        return True
    finally:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)


def _write_in_place(real: Path, before: _Before, content: bytes) -> bool:
    with real.open("r+b") as file:
        if file.read() != before.content:
            return False
        file.seek(0)
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    return True


def _differs(real: Path, before: _Before) -> bool:
    now = _read(real)
    return now is None or now.content != before.content or now.state.st_ino != before.state.st_ino


def _refuse_all_there(files: Mapping[Path, str]) -> None:
    if all(os.path.lexists(path) for path in files):
        raise UsageError(
            f"`{next(iter(files))}` is already there", why="nothing is overwritten", help="take another name"
        )


def _is_already(path: Path, content: bytes) -> bool:
    if not os.path.lexists(path):
        return False
    found = _read(path)
    if found is None or found.content != content:
        raise UsageError(f"`{path}` is already there", why="nothing is overwritten", help="take another name")
    return True


def _refuse_read_only(path: Path, state: os.stat_result) -> None:
    # By its mode: root may write everything, and meant it all the same.
    if not state.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(path, os.W_OK):
        raise StoreError(f"`{path}` is read-only", why="so it stays as it is", help=f"chmod u+w '{path}', then again")


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """The operating system's refusals, in words."""
    try:
        yield
    except FileExistsError as error:
        raise UsageError(
            f"`{path}` is already there", why="nothing is overwritten", help="take another name"
        ) from error
    except OSError as error:
        raise StoreError(f"`{path}` can't be written", why=why_refused(error), help=what_to_do(error)) from error
    except UnicodeEncodeError as error:
        # What isn't UTF-8 on a command line, and half a character of JSON's, come as code points that no text has.
        raise UsageError(
            f"`{path}` can't hold what is to be written into it",
            why=f"`{error.object[error.start : error.end]}` is no character",
            help="write it in UTF-8",
        ) from error
    except RuntimeError as error:
        raise StoreError(f"`{path}` can't be written", why="it is a link that leads to itself") from error


def _with_ends_of(old: str, text: str) -> str:
    """`text` with the line ends of `old`: lines keep theirs, changed ones too, new ones take the commoner."""
    if "\r\n" not in old:
        return text
    if old.count("\r\n") == old.count("\n"):
        return text.replace("\n", "\r\n")
    before, lines = old.split("\n"), text.split("\n")
    ended = ["\r" if 2 * old.count("\r\n") > old.count("\n") else ""] * len(lines)
    matcher = difflib.SequenceMatcher(a=[line.removesuffix("\r") for line in before], b=lines, autojunk=False)
    for _, start, end, new_start, new_end in matcher.get_opcodes():
        # Of lines in place of others, each takes the end of the one it stands for.
        for former, new in zip(range(start, end), range(new_start, new_end), strict=False):
            ended[new] = "\r" if before[former].endswith("\r") else ""
    # What stands behind the last line feed is no ended line.
    return "\n".join(f"{line}{end}" for line, end in zip(lines[:-1], ended, strict=False)) + "\n" + lines[-1]
