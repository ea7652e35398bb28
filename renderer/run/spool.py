"""Large arrays on their way from a worker to its parent: files in a folder that the parent names.

A pipe would hand ten minutes of sound, 230 MB, over in pieces, and hold up every word behind it. The worker writes the
file, its message names it, the parent reads it and takes it away. That it is gone is the receipt: the worker waits
while too much lies there, so a parent that is busy with its disk holds the jobs up before they fill the drive. Names
are those of temporary files: whatever a killed process leaves is cleared with them.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.store.disk import temp_name

if TYPE_CHECKING:
    from io import FileIO

LARGE_BYTES = 1 << 20
"""What is smaller goes by the pipe."""
MOST_SPOOLED_BYTES = 150_000_000
"""That lie there at once: the sound of three minutes twice, or of ten minutes once."""
_POLL_SECONDS = 0.01


class SpoolWriter:
    """The worker's side."""

    def __init__(self, stem: str) -> None:
        self.stem = stem
        self._waiting: dict[Path, int] = {}
        self._count = 0
        self._opening = threading.Lock()

    def put(self, array: memoryview) -> str | None:
        """The file that holds the array's bytes now; None for one that goes by the pipe.

        A drive that is full or gone takes the array no longer: then its way is slow, and not its song lost.
        """
        if array.nbytes < LARGE_BYTES:
            return None
        while self._is_full(array.nbytes):
            time.sleep(_POLL_SECONDS)
        self._count += 1
        path = Path(f"{self.stem}.{self._count}")
        try:
            # `x`: a name that is taken is somebody else's file. The lock is `close`'s, which must not miss one.
            with self._opening:
                file = path.open("xb", buffering=0)
            with file:
                _write_all(file, array.cast("B"))
        except OSError:
            # Half a file is no message: what the pipe carries instead names none.
            _remove(path)
            return None
        self._waiting[path] = array.nbytes
        return str(path)

    def close(self) -> None:
        """Take away what nobody fetched, also what is being written just now, and open no more files."""
        # Never released: the process ends, and a file opened after the clearing would stay for good.
        self._opening.acquire()
        _clear(Path(self.stem))

    def _is_full(self, num_bytes: int) -> bool:
        self._waiting = {path: size for path, size in self._waiting.items() if path.exists()}
        waiting = sum(self._waiting.values())
        # One larger than the limit goes when it is alone, or it would wait for ever.
        return waiting > 0 and waiting + num_bytes > MOST_SPOOLED_BYTES


class Spool:
    """The parent's side: the files of one worker in one run."""

    def __init__(self, folder: Path) -> None:
        self.stem = str(folder.absolute() / temp_name())
        """What the files' paths begin with."""

    def clear(self) -> None:
        """Take away what the worker, which is gone or has nothing to say, left."""
        _clear(Path(self.stem))


def fetch(file: str, buffer: memoryview) -> None:
    """Fill the buffer from a file of the worker's, and take it away.

    Raises: OSError when it is gone, can't be read or is shorter than what was written.
    """
    path = Path(file)
    with path.open("rb", buffering=0) as opened:
        done = 0
        while done < len(buffer):
            count = opened.readinto(buffer[done:])
            if not count:
                raise OSError(f"`{path}` holds {done:,} of {len(buffer):,} bytes")
            done += count
    _remove(path)


def _write_all(file: FileIO, content: memoryview) -> None:
    done = 0
    while done < len(content):
        done += file.write(content[done:]) or 0


def _clear(stem: Path) -> None:
    for path in stem.parent.glob(f"{stem.name}.*"):
        _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
