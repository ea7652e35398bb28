"""Waveform -> an audio file that is whole and read back, but has no name yet; a few at a time, in threads.

Encoding and reading back takes a second for three minutes of sound: the worker decodes the next take meanwhile. While
the drive takes a file in, several threads read it back and one its digest: the last file of a run is waited for.
Names, records and the journal are the result writer's, in the order the results came.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.store.disk import temp_beside
from renderer.store.takes import file_digest
from renderer.takes.audio import encode_audio, peaks
from renderer.takes.peaks import encode_peaks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from renderer.artifacts import Waveform
    from renderer.store.disk import Disk

MOST_THREADS = 16  # for each worker: a fast GPU decodes three minutes of sound in a tenth of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFile:
    """A file beside its target, under a temporary name."""

    temp: Path
    num_bytes: int
    mtime_ns: int
    digest: str
    """SHA-256 of the file."""
    peaks: str
    """Its outline, as the page draws it."""


class AudioWriterPool:
    """Threads that write audio files; closed, it leaves no file without a name."""

    def __init__(self, disk: Disk, device: str, num_workers: int = 1) -> None:
        """`device` is where the models compute: what processors that leaves is for sound."""
        self._disk = disk
        num_threads = max(1, min(MOST_THREADS * num_workers, _spare_processors(device, num_workers)))
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="audio")
        # For what a writer waits for: its own thread doesn't compute then.
        self._readers = ThreadPoolExecutor(num_threads, thread_name_prefix="audio-reader")
        self._temps: set[Path] = set()

    def close(self) -> None:
        """Wait for what is being written, begin nothing more, and take away what got no name."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._readers.shutdown(wait=True)
        for temp in tuple(self._temps):
            self.forget(temp)

    def begin(self, waveform: Waveform, target: Path, format: str, tags: Mapping[str, str]) -> Future[PendingFile]:  # noqa: A002 - the spec's word
        """A pending file of `target`, under way.

        Raises: OSError when the target's folder takes no files; the future StoreError or OSError.
        """
        temp = temp_beside(self._disk, target)
        self._temps.add(temp)
        return self._threads.submit(self._write, waveform, temp, format, tags)

    def _write(self, waveform: Waveform, temp: Path, format: str, tags: Mapping[str, str]) -> PendingFile:  # noqa: A002 - the spec's word
        encoded = encode_audio(waveform, temp, format, tags)
        compared, digest = encoded.read_back(self._readers.map), self._readers.submit(file_digest, temp)
        outline = encode_peaks(peaks(waveform))
        # Here already: when the file gets its name, whoever reads the worker's next results has less to wait for.
        self._disk.flush(temp)
        compared()
        written = temp.stat()
        return PendingFile(
            temp=temp,
            num_bytes=written.st_size,
            mtime_ns=written.st_mtime_ns,
            digest=digest.result(),
            peaks=outline,
        )

    def forget(self, temp: Path) -> None:
        """Take a file away, unless it got its name."""
        self._temps.discard(temp)
        with suppress(OSError):
            temp.unlink(missing_ok=True)


def _spare_processors(device: str, num_workers: int) -> int:
    """Half of them on a CPU, whose models want the others; a GPU's worker needs one to launch from."""
    number = os.cpu_count() or 1
    return number // 2 if device == "cpu" else number - num_workers
