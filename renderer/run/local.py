"""Plan -> results, in one worker process, part by part, told as events.

Who listens, and what is kept where, it does not know.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from renderer.artifacts import fault_of
from renderer.errors import InputLost, ModelError, RendererError, StageError, WorkerDied
from renderer.models import memory
from renderer.models.family import Done, Failed, Residency, StageJob, part_of
from renderer.models.numerics import words_of
from renderer.run.events import (
    ComponentLoaded,
    JobDone,
    JobFailed,
    JobProgress,
    PartStarted,
    RunEvent,
    TakeFailed,
    WorkerRestarted,
)
from renderer.run.retry import Attempt, Queue
from renderer.run.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from renderer.models.family import Settings
    from renderer.plan.jobs import Group, Job, Plan
    from renderer.run.client import WorkerClient
    from renderer.run.sink import PendingWrite, Sink

MOST_PENDING_BYTES = 2_500_000_000
"""Bytes of results on their way to the disk at once, where memory is plenty: the sound of ten minutes is 230 MB."""
PENDING_SHARE = 0.25
"""Of free memory, that they may take."""
_POLL_SECONDS = 0.2
_ABANDON_SECONDS = 0.1
"""How often jobs are looked at that nobody may want any more."""


class Workers:
    """The current worker process, started when first needed and kept until ended."""

    def __init__(self, start: Callable[[], WorkerClient], residency: Residency = Residency.ALONE) -> None:
        self._start = start
        self._client: WorkerClient | None = None
        self.residency = residency

    @property
    def running(self) -> bool:
        """Whether there is a worker now."""
        return self._client is not None

    def client(self) -> WorkerClient:
        """The worker, running."""
        if self._client is None:
            self._client = self._start()
        return self._client

    def warm(self, family: str) -> None:
        """Have the worker import what a family of models needs; returns at once.

        What goes wrong with it goes wrong again, and is told, when a job runs.
        """
        with suppress(WorkerDied, OSError):
            self.client().send({"do": "import", "family": family})

    def end(self) -> None:
        """End the worker, if there is one."""
        if self._client is not None:
            self._client.end()
            self._client = None


def execute(
    plan: Plan,
    *,
    workers: Workers,
    settings: Settings,
    sink: Sink,
    abandon: Callable[[Job], bool],
    watchdog: Watchdog | None = None,
) -> Iterator[RunEvent]:
    """Run the plan's jobs, telling what happens; `abandon` says of a job that nobody wants it any more.

    Raises: ModelError, before anything ran, for files that a later part couldn't be loaded from; StoreError when
    results can't be kept: what was kept until then stays.
    """
    run = _Run(plan, workers=workers, settings=settings, sink=sink, abandon=abandon, watchdog=watchdog or Watchdog())
    yield from run.examine(plan.groups[1:])
    for group in plan.groups:
        yield from run.group(group)


class _Run:
    def __init__(
        self,
        plan: Plan,
        *,
        workers: Workers,
        settings: Settings,
        sink: Sink,
        abandon: Callable[[Job], bool],
        watchdog: Watchdog,
    ) -> None:
        self._takes = {take.name: take for take in plan.takes}
        self._workers = workers
        self._settings = settings
        self._sink = sink
        self._abandon = abandon
        self._lost: set[str] = set()
        self._pending: deque[tuple[Job, float, PendingWrite]] = deque()
        """Results on their way to the disk, the oldest first, with the seconds they took; jobs go on meanwhile."""
        self._most_pending = min(MOST_PENDING_BYTES, int(max(0, memory.available("cpu")) * PENDING_SHARE))
        self._watchdog = watchdog

    def examine(self, later: Sequence[Group]) -> Iterator[RunEvent]:
        """Have the worker read the small files of parts that come later, before the first one works for hours.

        Raises: ModelError where a part couldn't be loaded from them.
        """
        if not any(self._wanted(group.jobs) for group in later):
            return
        attempt = Attempt()
        parts = tuple((group.part, group.files.absolute(), group.jobs[0].settings["weights"]) for group in later)
        try:
            client = self._workers.client()
            client.send({"do": "examine", "parts": parts})
            yield from self._until(attempt, client, {}, "examined")
        except WorkerDied:
            # Whatever ended it is told when it happens again to a job.
            self._workers.end()
        except BaseException:
            self._workers.end()
            raise
        if attempt.broken:
            raise ModelError(attempt.broken.message, why=attempt.broken.why, help=attempt.broken.help)

    def group(self, group: Group) -> Iterator[RunEvent]:
        """Every stage of one part, the part loaded once."""
        jobs = self._wanted(group.jobs)
        if not jobs:
            return
        yield PartStarted(group=group, num_jobs=len(jobs))
        for stage in dict.fromkeys(job.stage for job in group.jobs):
            yield from self._stage(group, stage)

    def _wanted(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if not self._lost.issuperset(job.takes) and not self._abandon(job)]

    def _stage(self, group: Group, stage: str) -> Iterator[RunEvent]:
        queue = Queue(self._wanted(group.of(stage)), window=part_of(group.files, group.part).window)
        while (taken := queue.take()) or self._pending:
            batch = self._wanted(taken)
            attempt = yield from self._attempt(group, stage, batch)
            if attempt.died:
                yield WorkerRestarted(error=attempt.died)
            concerned = tuple({job.key: job for job in (*batch, *attempt.unkept)}.values())
            left = self._wanted([job for job in concerned if job.key not in attempt.finished])
            for job, error in queue.settle(batch, left, attempt):
                yield from self._fail(job, error)

    def _fail(self, job: Job, error: RendererError) -> Iterator[RunEvent]:
        yield JobFailed(job=job, error=error)
        for name in job.takes:
            self._lost.add(name)
            yield TakeFailed(take=self._takes[name], stage=job.stage, error=error)

    def _attempt(self, group: Group, stage: str, batch: Sequence[Job]) -> Generator[RunEvent, None, Attempt]:
        attempt = Attempt()
        ready = dict(self._ready(attempt, batch))
        if not ready:
            yield from self._finish(attempt, most=-1)
            return attempt
        jobs = {key: job for key, (job, _) in ready.items()}
        try:
            client = self._workers.client()
            client.send(self._load(group))
            yield from self._until(attempt, client, jobs, "resident")
            if not attempt.broken:
                attempt.resident = True
                asked = tuple(stage_job for _, stage_job in ready.values())
                client.send({"do": "run", "part": group.part, "stage": stage, "jobs": asked})
                yield from self._until(attempt, client, jobs, "ended")
        except WorkerDied as error:
            self._workers.end()
            attempt.died = error
        except BaseException:
            # A worker that is left in the middle of its jobs would answer the next ones with these.
            self._workers.end()
            raise
        if attempt.died or attempt.broken or len(batch) == 1:
            # What the worker had sent was whole, and who runs alone is judged by what becomes of it.
            yield from self._finish(attempt, most=-1)
        return attempt

    def _ready(self, attempt: Attempt, batch: Sequence[Job]) -> Iterator[tuple[str, tuple[Job, StageJob]]]:
        """The jobs whose inputs are there, with them."""
        for job in batch:
            try:
                upstream = dict(self._sink.upstream(job))
            except InputLost as error:
                attempt.failed[job.key] = error
            else:
                yield job.key, (job, StageJob(id=job.key, request=job.request, upstream=upstream))

    def _load(self, group: Group) -> dict[str, Any]:
        return {
            "do": "load",
            "part": group.part,
            "files": group.files.absolute(),
            "settings": self._settings,
            "weights": group.jobs[0].settings["weights"],
            "residency": self._workers.residency,
        }

    def _until(self, attempt: Attempt, client: WorkerClient, jobs: Mapping[str, Job], last: str) -> Iterator[RunEvent]:
        """Pass the worker's events on until the `last` one comes."""
        told: set[str] = set()
        looked = heard = time.monotonic()
        silence = self._watchdog.silence(last, jobs.values())
        asked: Iterable[str] = jobs
        while True:
            for kept in self._finish(attempt, most=self._most_pending):
                yield kept
                # What the parent's disk and listeners took is not the worker's silence.
                heard = time.monotonic()
            gone = {key for key in asked if key not in told and self._abandon(jobs[key])}
            if gone:
                told |= gone
                client.send({"do": "cancel", "jobs": tuple(gone)})
            event = client.event(_POLL_SECONDS)
            now = time.monotonic()
            if event is None:
                silence.check(client, now - heard)
                asked, looked = jobs, now
                continue
            silence.broken_after(now - heard)
            if event["event"] == last:
                return
            if event["event"] == "broken":
                attempt.broken = _error(event)
                return
            yield from self._pass_on(attempt, event, jobs)
            # What the parent did meanwhile is not the worker's silence.
            heard = time.monotonic()
            # A thousand jobs are not asked at every token of one of them.
            asked = jobs if heard - looked >= _ABANDON_SECONDS else jobs.keys() & {event.get("job")}
            looked = heard if asked is jobs else looked

    def _pass_on(self, attempt: Attempt, event: Mapping[str, Any], jobs: Mapping[str, Job]) -> Iterator[RunEvent]:
        match event["event"]:
            case "loaded":
                yield ComponentLoaded(
                    component=event["component"], seconds=event["seconds"], num_bytes=event["num_bytes"]
                )
            case "progress":
                job = jobs.get(event["job"])
                if job:
                    attempt.started.setdefault(job.key, time.monotonic())
                    yield JobProgress(job=job, done=event["done"], total=event["total"], unit=event["unit"])
            case "result":
                self._take_in(attempt, event["result"], jobs)

    def _take_in(self, attempt: Attempt, result: Done | Failed, jobs: Mapping[str, Job]) -> None:
        """Begin to keep a result."""
        job = jobs[result.id]
        if isinstance(result, Failed):
            attempt.failed[job.key] = StageError(result.message, why=result.why, help=result.help)
            return
        if fault := fault_of(result.artifact):
            attempt.failed[job.key] = _impossible(job, fault)
            return
        since_first_word = time.monotonic() - attempt.started.get(job.key, time.monotonic())
        # The worker's own clock where it tells: a job's first word may be its last.
        told = result.artifact.notes.seconds
        seconds = since_first_word if told is None else told
        try:
            self._pending.append((job, seconds, self._sink.write(job, result.artifact)))
        except InputLost as error:
            attempt.failed[job.key] = error

    def _finish(self, attempt: Attempt, *, most: int) -> Iterator[RunEvent]:
        """Finish, in the order they came, the results that need no waiting, and waiting until `most` bytes are left."""
        while self._pending and (self._pending[0][-1].ready or self._num_bytes_pending() > most):
            job, seconds, pending = self._pending.popleft()
            try:
                yield from pending.finish()
            except InputLost as error:
                attempt.failed[job.key] = error
                attempt.unkept.append(job)
                continue
            attempt.finished.add(job.key)
            yield JobDone(job=job, seconds=seconds)

    def _num_bytes_pending(self) -> int:
        return sum(pending.num_bytes for _, _, pending in self._pending)


def _impossible(job: Job, fault: str) -> StageError:
    """What a stage gave can't be: it isn't kept, and alone it may come out otherwise."""
    dtype = words_of(job.settings)
    if dtype.startswith("float32"):
        return StageError(
            fault,
            why="its weights are damaged, or the machine miscalculates",
            help="renderer models verify; then retry",
        )
    return StageError(fault, why=f"numbers overflow in {dtype}", help="render with --dtype float32")


def _error(event: Mapping[str, Any]) -> RendererError:
    return RendererError(event["message"], why=event["why"], help=event["help"])
