"""The worker's messages on their way to the parent: in the order they were made, while the next job runs.

How much waits is bounded: a parent that is busy with its disk holds the jobs up before it fills the worker's memory.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections import deque
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NoReturn

from renderer.run.spool import MOST_SPOOLED_BYTES
from renderer.run.wire import frame, write

if TYPE_CHECKING:
    from renderer.run.messages import Event
    from renderer.run.spool import SpoolWriter
    from renderer.run.wire import Frame

MOST_SMALL = 1_000
SMALL_BYTES = 1 << 16


class Outbox:
    """A pipe's writing end with a thread that writes; the process ends when nobody reads any more."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self.spool: SpoolWriter | None = None
        """Where large arrays go; None sends them too."""
        self._frames: deque[Frame] = deque()
        """The one being written first."""
        self._changed = threading.Condition()
        threading.Thread(target=self._write_all, daemon=True).start()

    def put(self, message: Event) -> None:
        """Have it sent after those before it; waits while too much waits already. Its arrays may not change any more.

        Raises: TypeError for a message that can't travel.
        """
        framed = frame(message)
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(framed))
            self._frames.append(framed)
            self._changed.notify_all()

    def leave(self, code: int) -> NoReturn:
        """End the process, of whose messages nobody wants one any more."""
        if self.spool:
            self.spool.close()
        os._exit(code)

    def _has_room(self, framed: Frame) -> bool:
        """Small ones pass large ones by in this: how far the next job is should not wait for a result's way."""
        if framed.num_bytes <= SMALL_BYTES:
            return len(self._frames) < MOST_SMALL
        large = [waiting.num_bytes for waiting in self._frames if waiting.num_bytes > SMALL_BYTES]
        return not large or sum(large) + framed.num_bytes <= MOST_SPOOLED_BYTES

    def _write_all(self) -> None:
        while True:
            try:
                write(self._pipe, self._next(), self.spool)
            except BrokenPipeError:
                self.leave(0)
            except BaseException:  # noqa: BLE001 - nobody would wait for this thread, and the parent for ever
                # Standard error may lie on the drive that is full.
                with suppress(OSError):
                    traceback.print_exc()
                self.leave(1)
            with self._changed:
                self._frames.popleft()
                self._changed.notify_all()

    def _next(self) -> Frame:
        with self._changed:
            self._changed.wait_for(lambda: self._frames)
            return self._frames[0]
