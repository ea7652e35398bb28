"""Plan -> results, by any workers that take messages, told as events: dispatcher, watchdog and results wired together.

Where the workers run, who listens, and what is kept where, it does not know.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from renderer.errors import InputLost, ModelError, RendererError, WorkerDied
from renderer.models.stage_job import Done, Failed, StageJob
from renderer.run.dispatcher import Dispatcher
from renderer.run.events import BatchDone, ComponentLoaded, JobProgress
from renderer.run.expected import LEAST_SECONDS, ends, slots_of
from renderer.run.messages import (
    Broken,
    CancelJobs,
    ComponentRead,
    DeviceGone,
    Ended,
    Examined,
    ExamineParts,
    ImportFamily,
    LoadPart,
    PartFiles,
    PartReady,
    Progress,
    Ready,
    RunJobs,
    values,
)
from renderer.run.prefetch import following
from renderer.run.results import Results
from renderer.run.simulation import best_way
from renderer.run.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from renderer.models.model_files import Residency, Settings
    from renderer.plan.jobs import Group, Job, Plan
    from renderer.run.dispatcher import Batch
    from renderer.run.events import RunEvent
    from renderer.run.expected import Expected
    from renderer.run.messages import Command, Event
    from renderer.run.sink import Sink
    from renderer.run.watchdog import Silence, Watchdog

_POLL_SECONDS = 0.2
_ABANDON_SECONDS = 0.1
"""How often jobs are looked at that nobody may want any more."""


class WorkerPool(Protocol):
    """Workers that take messages, by their numbers from 0; each is started when it is first spoken to."""

    @property
    def settings(self) -> Sequence[Settings]:
        """One for each of them."""

    @property
    def pids(self) -> tuple[int, ...]:
        """See `Executor.pids`."""

    def send(self, worker: int, command: Command) -> None:
        """A command to a worker; that it is gone, `next` tells."""

    def next(self, timeout_seconds: float) -> tuple[int, Event | WorkerDied] | None:
        """Which worker says what, in the order it came; None after the time is up. One that was ended says nothing."""

    def kill(self) -> None:
        """Kill every worker from another thread than the one that listens, which `next` then tells of their death."""

    def end(self, worker: int) -> None:
        """End a worker, at once; spoken to again, it is started anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What is to be carried out, by whom, for whom."""

    plan: Plan
    pool: WorkerPool
    residency: Residency
    watchdog: Watchdog
    expected: Expected
    sink: Sink
    is_wanted: Callable[[Job], bool]


def drive(work: Assignment) -> Iterator[RunEvent]:
    """What `Executor.run` promises."""
    values()  # two of one name would be read as one another: told here, where somebody listens
    run = _Run(work)
    try:
        yield from run.examine(work.plan.groups[1:])
        yield from run.jobs()
    finally:
        run.leave()


@dataclass(slots=True, kw_only=True)
class _Lane:
    """What a worker does now."""

    worker: int
    silence: Silence
    batch: Batch | None = None
    """None while it examines."""
    began: float = field(default_factory=time.monotonic)
    load_seconds: float | None = None
    """That its part took to load; None where it was resident."""
    loads: bool = False
    jobs: tuple[StageJob, ...] = ()
    """The batch's, with their inputs, until they are sent."""


class _Run:
    """One plan on its way."""

    def __init__(self, work: Assignment) -> None:
        self._pool, self._sink, self._watchdog = work.pool, work.sink, work.watchdog
        self._plan, self._residency = work.plan, work.residency
        workers = work.pool.settings
        self._dispatcher = Dispatcher(
            work.plan,
            workers=workers,
            is_wanted=work.is_wanted,
            expected=work.expected,
            way=best_way(work.plan.as_if_picked, workers, work.expected),
            is_picked=work.sink.is_picked,
        )
        self._results = Results(work.sink, self._dispatcher)
        self._spools = {worker: Spool(work.sink.spool_folder) for worker in range(len(workers))}
        self._fresh = set[int]()
        """Workers that came up in this run and haven't been through a batch."""
        self._lanes: dict[int, _Lane] = {}
        """Of the workers that are at work."""
        self._checked_at = 0.0
        """When it was last asked for all jobs whether anybody wants them."""

    def examine(self, later: Sequence[Group]) -> Iterator[RunEvent]:
        """Have a worker read the small files of parts that come later, before the first one works for hours.

        Raises: ModelError where a part couldn't be loaded from them.
        """
        if not any(self._dispatcher.wants(job) for group in later for job in group.jobs):
            return
        self._occupy(0, self._watchdog.of_loading())
        for worker in range(1, self._dispatcher.most_at_once):
            # They come up meanwhile: what they import takes as long.
            self._pool.send(worker, ImportFamily(family=later[0].files.family))
        self._pool.send(0, ExamineParts(parts=tuple(_files(group) for group in later)))
        while self._lanes:
            yield from self._handle_message()

    def jobs(self) -> Iterator[RunEvent]:
        """Every job, until each is done, given up or unwanted."""
        while True:
            for worker in self._dispatcher.in_turn(set(self._dispatcher.workers) - self._lanes.keys()):
                yield from self._begin_next(worker)
            if self._lanes:
                yield from self._results.finish()
                yield from self._handle_message()
            elif self._results:
                # One that can't be kept runs again.
                yield from self._results.finish_all()
            else:
                break
        yield from self._dispatcher.never_ready()

    def leave(self) -> None:
        """End workers that are in the middle of their jobs: they would answer the next ones with these."""
        for worker in self._lanes:
            self._pool.end(worker)
        for spool in self._spools.values():
            spool.clear()

    def _begin_next(self, worker: int) -> Iterator[RunEvent]:
        """Give an idle worker its next batch, if there is one whose inputs aren't all lost."""
        while worker not in self._lanes and (batch := self._dispatcher.next_batch(worker)):
            yield from self._dispatcher.part_started(batch)
            # Who listens may have had enough by now: then nothing is loaded.
            self._dispatcher.cancelled(batch, [job for job in batch.left if not self._dispatcher.wants(job)])
            jobs = yield from self._with_inputs(batch)
            if not jobs:
                continue
            lane = self._occupy(worker, self._watchdog.of_loading())
            lane.batch, lane.jobs = batch, jobs
            later = following(self._plan, batch.group)
            load = LoadPart(
                part=_files(batch.group),
                settings=self._pool.settings[worker],
                residency=self._residency,
                following=None if later is None else _files(later),
            )
            self._pool.send(worker, load)

    def _with_inputs(self, batch: Batch) -> Generator[RunEvent, None, tuple[StageJob, ...]]:
        """The jobs whose inputs are there, with them."""
        jobs = []
        for job in batch.left:
            try:
                upstream = dict(self._sink.upstream(job))
            except InputLost as error:
                yield from self._dispatcher.failed(batch, job, error)
            else:
                jobs.append(StageJob(id=job.key, request=job.request, upstream=upstream))
        return tuple(jobs)

    def _occupy(self, worker: int, silence: Silence) -> _Lane:
        lane = _Lane(worker=worker, silence=silence)
        self._lanes[worker] = lane
        return lane

    def _handle_message(self) -> Iterator[RunEvent]:
        """Wait a moment for what a worker says, and act on it; end those that have been silent for too long."""
        began = time.monotonic()
        message = self._pool.next(_POLL_SECONDS)
        for lane in self._lanes.values():
            lane.silence.lasts(time.monotonic() - began)
        if message:
            worker, event = message
            yield from self._on(worker, event)
            # A thousand jobs are not asked at every token of one of them.
            self._cancel_unwanted(every=False, key=event.id if isinstance(event, Progress) else "")
        else:
            self._cancel_unwanted(every=True)
        for lane in tuple(self._lanes.values()):
            if fault := lane.silence.fault:
                yield from self._died(lane.worker, fault)

    def _on(self, worker: int, event: Event | WorkerDied) -> Iterator[RunEvent]:
        if isinstance(event, WorkerDied):
            yield from self._died(worker, event)
            return
        if isinstance(event, Ready):
            self._fresh.add(worker)
        lane = self._lanes.get(worker)
        if lane is None:
            # It only says that it is up.
            return
        lane.silence.ends()
        if isinstance(event, DeviceGone):
            yield from self._died(worker, _gone(event))
        elif isinstance(event, ComponentRead):
            lane.loads = True
            yield ComponentLoaded(
                component=event.component, seconds=event.seconds, num_bytes=event.num_bytes, worker=worker
            )
        elif lane.batch is None:
            self._examined(lane, event)
        else:
            yield from self._on_batch(lane, lane.batch, event)

    def _examined(self, lane: _Lane, event: Event) -> None:
        match event:
            case Examined():
                del self._lanes[lane.worker]
            case Broken():
                del self._lanes[lane.worker]
                raise ModelError(event.message, why=event.why, help=event.help)

    def _on_batch(self, lane: _Lane, batch: Batch, event: Event) -> Iterator[RunEvent]:
        match event:
            case PartReady():
                self._run_jobs(lane, batch)
            case Progress() if job := batch.jobs.get(event.id):
                batch.started.setdefault(job.key, time.monotonic())
                yield JobProgress(job=job, done=event.done, total=event.total, unit=event.unit, worker=lane.worker)
            case Done() | Failed():
                yield from self._results.take_in(batch, event)
            case Ended():
                del self._lanes[lane.worker]
                if batch.num_results == len(batch.jobs):
                    yield self._measured(lane, batch)
                self._fresh.discard(lane.worker)
                yield from self._dispatcher.ended(batch)
            case Broken():
                self._end(lane.worker)
                error = RendererError(event.message, why=event.why, help=event.help)
                yield from self._dispatcher.broken(batch, error)

    def _measured(self, lane: _Lane, batch: Batch) -> BatchDone:
        jobs = tuple(batch.jobs.values())
        asked = {job.key: max(LEAST_SECONDS, job.asked_seconds) for job in jobs}
        return BatchDone(
            jobs=jobs,
            worker=lane.worker,
            seconds=time.monotonic() - lane.began,
            song_seconds=max(ends(asked, slots_of(jobs[0], self._pool.settings[0])).values()),
            load_seconds=lane.load_seconds,
            is_first=lane.worker in self._fresh,
        )

    def _run_jobs(self, lane: _Lane, batch: Batch) -> None:
        """Send the jobs to the part that is resident now, without those that nobody wants any more."""
        self._dispatcher.loaded(lane.worker, batch)
        now = time.monotonic()
        lane.load_seconds, lane.began = now - lane.began if lane.loads else None, now
        jobs, lane.jobs = tuple(job for job in lane.jobs if job.id not in batch.settled), ()
        if not jobs:
            del self._lanes[lane.worker]
            return
        lane.silence = self._watchdog.of_running(batch.left)
        spool = self._spools[lane.worker].stem
        command = RunJobs(part=batch.group.part, stage=batch.stage, jobs=jobs, spool=spool)
        self._pool.send(lane.worker, command)

    def _cancel_unwanted(self, *, every: bool, key: str = "") -> None:
        """Give up what nobody wants: the job with that key, and now and then all are looked at."""
        now = time.monotonic()
        every = every or now - self._checked_at >= _ABANDON_SECONDS
        if every:
            self._checked_at = now
        for lane in self._lanes.values():
            batch = lane.batch
            if batch is None:
                continue
            one = batch.jobs.get(key) if key not in batch.settled else None
            candidates = batch.left if every else (one,) if one else ()
            unwanted = [job for job in candidates if not self._dispatcher.wants(job)]
            if unwanted:
                self._dispatcher.cancelled(batch, unwanted)
                self._pool.send(lane.worker, CancelJobs(ids=tuple(job.key for job in unwanted)))

    def _died(self, worker: int, error: WorkerDied) -> Iterator[RunEvent]:
        lane = self._end(worker)
        if lane and lane.batch:
            yield from self._dispatcher.died(worker, lane.batch, error)

    def _end(self, worker: int) -> _Lane | None:
        """End a worker, whose device may answer nobody in that process any more; gives what it did, if anything."""
        self._pool.end(worker)
        self._spools[worker].clear()
        self._spools[worker] = Spool(self._sink.spool_folder)
        return self._lanes.pop(worker, None)


def _gone(event: DeviceGone) -> WorkerDied:
    return WorkerDied(
        "the worker's device failed",
        why=event.message,
        help="for a GPU, `dmesg` tells of an Xid; if it happens again, leave it out with --device",
    )


def _files(group: Group) -> PartFiles:
    return PartFiles(part=group.part, files=group.files.absolute(), weights=group.jobs[0].settings.weights)
