"""Files to a CUDA device at the rate of its bus: several threads read into pinned buffers while others are copied.

Byte ranges of files and where they go on the device come in; knows nothing of tensors' meaning.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

from renderer.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
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


def read_to_device(ranges: Iterable[Range], device: torch.device) -> None:
    """Fill every range's target; returns when all bytes are there.

    Raises: ModelError when a file ends before its range does.
    """
    pieces = [piece for whole in ranges for piece in _pieces(whole)]
    # The targets' memory may have belonged to tensors that the device still works with.
    torch.cuda.synchronize(device)
    num_threads = max(1, min(MAX_THREADS, os.cpu_count() or 1, len(pieces)))
    with ExitStack() as opened, ThreadPoolExecutor(num_threads) as threads:
        files = {path: opened.enter_context(path.open("rb", buffering=0)) for path in {one.path for one in pieces}}
        lanes = threading.local()
        for _ in threads.map(lambda piece: _lane(lanes, device).carry(files, piece), pieces):
            pass
    torch.cuda.synchronize(device)


class _Lane:
    """A pinned buffer with a stream of its own; one thread's."""

    def __init__(self, device: torch.device) -> None:
        self.buffer = torch.empty(BUFFER_BYTES, dtype=torch.uint8, pin_memory=True)
        self.view = memoryview(cast("Buffer", self.buffer.numpy()))
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own gap

    def carry(self, files: Mapping[Path, Any], piece: Range) -> None:
        num_bytes = piece.target.numel()
        # Until the copy before has left the buffer. Other lanes' copies go on: that is what fills the bus.
        self.stream.synchronize()
        if _read_at(files[piece.path], self.view[:num_bytes], piece.start) != num_bytes:
            raise ModelError(f"`{piece.path}` ends too early", help="fetch the model again")
        # From pinned memory the device fetches by itself; from any other the driver would copy the bytes once more.
        with torch.cuda.stream(self.stream):
            piece.target.copy_(self.buffer[:num_bytes], non_blocking=True)


def _lane(lanes: threading.local, device: torch.device) -> _Lane:
    if not hasattr(lanes, "own"):
        lanes.own = _Lane(device)
    lane: _Lane = lanes.own
    return lane


def _pieces(whole: Range) -> Iterator[Range]:
    for start in range(0, whole.target.numel(), BUFFER_BYTES):
        target = whole.target[start : start + BUFFER_BYTES]
        yield Range(path=whole.path, start=whole.start + start, target=target)


def _read_at(file: Any, view: memoryview, start: int) -> int:
    """Bytes read; less than asked only at the file's end."""
    done = 0
    while done < len(view):
        count = os.preadv(file.fileno(), [view[done:]], start + done)
        if count == 0:
            break
        done += count
    return done
