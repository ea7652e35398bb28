"""Files to a CUDA device at the rate of its bus: several threads read into pinned buffers while others are copied.

Byte ranges of files and where they go on the device come in; knows nothing of tensors' meaning.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch

from renderer.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor
    from typing_extensions import Buffer

BUFFER_BYTES = 16 << 20
MAX_THREADS = 12  # one thread's copy from the page cache is a fraction of the bus; more than these only wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bytes of a file, and the device's bytes [n], uint8, that they fill."""

    path: Path
    start: int
    target: Tensor

    @property
    def end(self) -> int:
        """Where the next byte of the file lies."""
        return self.start + self.target.numel()


def read_to_device(ranges: Iterable[Range], device: torch.device) -> None:
    """Fill every range's target; returns when all bytes are there.

    Raises: ModelError when a file ends before its range does.
    """
    pieces = tuple(pieces_of(ranges, BUFFER_BYTES))
    # The targets' memory may have belonged to tensors that this stream still works with (of others' `record_stream`
    # keeps it). For it alone: waiting for the whole device would spoil what another thread records.
    torch.cuda.current_stream(device).synchronize()
    num_threads = max(1, min(MAX_THREADS, os.cpu_count() or 1, len(pieces)))
    with ExitStack() as opened, ThreadPoolExecutor(num_threads) as threads:
        files = {path: opened.enter_context(path.open("rb", buffering=0)) for path in {one[0].path for one in pieces}}
        lanes = _Lanes(device)
        for _ in threads.map(lambda piece: lanes.own.carry(files, piece), pieces):
            pass
        lanes.wait()


def pieces_of(ranges: Iterable[Range], most_bytes: int) -> Iterator[list[Range]]:
    """The same bytes as ranges that lie side by side in their file and are read at once, `most_bytes` at most.

    Hundreds of small tensors each read alone would cost threads more in waiting for each other than in reading.
    """
    piece: list[Range] = []
    num_left = most_bytes
    for whole in sorted(ranges, key=lambda one: (str(one.path), one.start)):
        done, length = 0, whole.target.numel()
        while done < length:
            start = whole.start + done
            if piece and (num_left == 0 or (piece[-1].path, piece[-1].end) != (whole.path, start)):
                yield piece
                piece, num_left = [], most_bytes
            part = Range(path=whole.path, start=start, target=whole.target[done : done + num_left])
            piece.append(part)
            done, num_left = done + part.target.numel(), num_left - part.target.numel()
    if piece:
        yield piece


class _Lane:
    """A pinned buffer with a stream of its own, which is the current one of the thread that makes it, and its alone."""

    def __init__(self, stream: Any) -> None:
        self.buffer = torch.empty(BUFFER_BYTES, dtype=torch.uint8, pin_memory=True)
        self.view = memoryview(cast("Buffer", self.buffer.numpy()))
        self.stream = stream
        torch.cuda.set_stream(stream)

    def carry(self, files: Mapping[Path, Any], piece: Sequence[Range]) -> None:
        path, start, num_bytes = piece[0].path, piece[0].start, piece[-1].end - piece[0].start
        # Until the copies before have left the buffer. Other lanes' copies go on: that is what fills the bus.
        self.stream.synchronize()
        if _read_at(files[path], self.view[:num_bytes], start) != num_bytes:
            raise ModelError(f"`{path}` ends too early", help="fetch the model again")
        # From pinned memory the device fetches by itself; from any other the driver would copy the bytes once more.
        for one in piece:
            one.target.copy_(self.buffer[one.start - start : one.end - start], non_blocking=True)


class _Lanes:
    """One for each thread."""

    def __init__(self, device: torch.device) -> None:
        self._streams = iter(_streams(device))
        self._by_thread: dict[int, _Lane] = {}

    @property
    def own(self) -> _Lane:
        """The calling thread's."""
        thread = threading.get_ident()
        if thread not in self._by_thread:
            self._by_thread[thread] = _Lane(next(self._streams))
        return self._by_thread[thread]

    def wait(self) -> None:
        """Until all copies are done."""
        for lane in self._by_thread.values():
            lane.stream.synchronize()


@cache
def _streams(device: torch.device) -> tuple[torch.cuda.Stream, ...]:
    """The same for good: torch has 32 and then hands out the first again, which someone may be recording in by then."""
    return tuple(torch.cuda.Stream(device) for _ in range(MAX_THREADS))  # type: ignore[no-untyped-call]


def _read_at(file: Any, view: memoryview, start: int) -> int:
    """Bytes read; less than asked only at the file's end."""
    done = 0
    while done < len(view):
        count = os.preadv(file.fileno(), [view[done:]], start + done)
        if count == 0:
            break
        done += count
    return done
