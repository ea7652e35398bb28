"""A watch as plain lines, each written at once: for logs, pipes and programs that wait for one of them."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from renderer.plurals import counted
from renderer.run.events import (
    ComponentLoaded,
    JobDone,
    JobProgress,
    TakeDone,
    TakeFailed,
    WorkerLeftOut,
    WorkerRestarted,
)
from renderer.spec.diagnostics import Level, plain, printable
from renderer.watch.notice_text import error_line, log_text, notice_lines, path_text, takes_label
from renderer.watch.notices import SpecsLoaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.watch.notices import Notice


class Lines:
    """Writes events to a stream; of a job's progress its beginning and its end."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._begun: set[str] = set()

    def listen(self, event: Notice) -> None:
        """Write what is to be said of it."""
        for line in (*notice_lines(event), *self._run(event)):
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def _run(self, event: Notice) -> Iterator[str]:
        match event:
            case SpecsLoaded():
                songs = {take.take.song.name for take in event.takes}
                yield from (plain(one) for one in event.new_diagnostics if one.level is not Level.NOTE)
                yield from (f"fixed: {path_text(file)}" for file in event.fixed)
                yield f"{counted(len(songs), 'song')}, {counted(len(event.takes), 'take')}"
            case ComponentLoaded():
                yield f"  loaded {event.component} in {event.seconds:.1f} s"
            case JobProgress(job=job) if job.key not in self._begun:
                self._begun.add(job.key)
                yield f"  {takes_label(job.takes)} {job.stage}: {event.done}/{event.total} {event.unit}"
            case JobDone(job=job):
                self._begun.discard(job.key)
                yield f"  {takes_label(job.takes)} {job.stage}: done in {event.seconds:.1f} s"
            case TakeDone():
                yield f"rendered {printable(event.take.file)} ({event.seconds:.1f} s of sound)"
            case TakeFailed():
                yield f"failed {printable(event.take.name)} in {event.stage}: {error_line(event.error)}"
                yield f"  the worker's log: {log_text(event)}"
            case WorkerRestarted():
                yield f"worker restarted: {error_line(event.error)}"
            case WorkerLeftOut():
                yield f"worker {event.worker + 1} left out: {error_line(event.error)}"
