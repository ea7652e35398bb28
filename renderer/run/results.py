"""Results on their way from workers to the sink: checked, written while the next jobs run, finished in their order."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import DeviceFault, InputLost, StageError
from renderer.models import memory
from renderer.models.stage_job import Failed
from renderer.run.events import JobDone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.models.stage_job import Done
    from renderer.plan.jobs import Job
    from renderer.run.dispatcher import Batch, Dispatcher
    from renderer.run.events import RunEvent
    from renderer.run.sink import PendingWrite, Sink

MOST_PENDING_BYTES = 2_500_000_000
"""Of results on their way to the disk at once, where memory is plenty: the sound of ten minutes is 230 MB."""
PENDING_SHARE = 0.25
"""Of free memory, that they may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    batch: Batch
    job: Job
    seconds: float
    write: PendingWrite


class Results:
    """What came and isn't on disk yet, the oldest first."""

    def __init__(self, sink: Sink, dispatcher: Dispatcher) -> None:
        self._sink = sink
        self._dispatcher = dispatcher
        self._pending: deque[_Pending] = deque()
        self._most_bytes = min(MOST_PENDING_BYTES, int(max(0, memory.available("cpu")) * PENDING_SHARE))

    def __bool__(self) -> bool:
        return bool(self._pending)

    def take_in(self, batch: Batch, result: Done | Failed) -> Iterator[RunEvent]:
        """Begin to write a job's result.

        Raises: StoreError when it can't be kept.
        """
        job = batch.jobs[result.id]
        batch.settled.add(job.key)
        if isinstance(result, Failed):
            kind = DeviceFault if result.by_device else StageError
            error = kind(result.message, why=result.why, help=result.help)
            yield from self._dispatcher.failed(batch, job, error)
            return
        # Before anything is written: NaN that is kept would fail every later stage, and in every later run.
        if fault := result.artifact.fault:
            yield from self._dispatcher.failed(batch, job, _impossible(job, fault))
            return
        # The worker's own clock where it tells: a job's first word may be its last.
        now, measured = time.monotonic(), result.artifact.notes.seconds
        seconds = now - batch.started.get(job.key, now) if measured is None else measured
        try:
            write = self._sink.write(job, result.artifact)
        except InputLost as error:
            yield from self._dispatcher.failed(batch, job, error)
        else:
            batch.num_results += 1
            self._pending.append(_Pending(batch=batch, job=job, seconds=seconds, write=write))

    def finish(self) -> Iterator[RunEvent]:
        """Finish, in the order they came, those that need no waiting; wait for others while they occupy too much.

        Raises: StoreError when one can't be kept.
        """
        # Only the oldest: results are told of in the order they came, however long each takes to be written.
        while self._pending and (self._pending[0].write.ready or self._num_bytes > self._most_bytes):
            yield from self._finish_next()

    def finish_all(self) -> Iterator[RunEvent]:
        """Finish every one, waiting for it.

        Raises: StoreError when one can't be kept.
        """
        while self._pending:
            yield from self._finish_next()

    def _finish_next(self) -> Iterator[RunEvent]:
        pending = self._pending.popleft()
        try:
            yield from pending.write.finish()
        except InputLost as error:
            yield from self._dispatcher.failed(pending.batch, pending.job, error)
            return
        # On disk first, then over: what builds on it may start in another process at once.
        yield from self._dispatcher.finished(pending.batch, pending.job)
        yield JobDone(job=pending.job, seconds=pending.seconds, worker=pending.batch.worker)

    @property
    def _num_bytes(self) -> int:
        return sum(pending.write.num_bytes for pending in self._pending)


def _impossible(job: Job, fault: str) -> StageError:
    """What a stage gave can't be: it isn't kept, and alone it may come out otherwise."""
    numerics = job.settings.numerics
    if numerics.dtype == "float32":
        return StageError(
            fault,
            why="its weights are damaged, or the machine miscalculates",
            help="renderer models verify; then retry",
        )
    return StageError(fault, why=f"numbers overflow in {numerics.words}", help="render with --dtype float32")
