"""Plan -> results, in one worker process, part by part, told as events.

Who listens, and what is kept where, it does not know.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from renderer.errors import RendererError, StageError, WorkerDied
from renderer.models.family import Done, Failed, Part, Residency, Stage, StageJob
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

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from renderer.artifacts import Artifact
    from renderer.models.family import Settings
    from renderer.plan.jobs import Group, Job, Plan
    from renderer.run.client import WorkerClient

_WINDOWS: Mapping[Part, int] = {Part.LM: 100_000, Part.DIT: 32, Part.VAE: 4}
"""Jobs sent at once: the LM refills its slots from all of them; latents are large, so few wait in the worker."""
_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 300.0
_PATIENCE_FACTOR = 50.0
"""A worker silent this many times longer than ever before hangs."""
_MOST_DEATHS = 2


class Sink(Protocol):
    """Where jobs' inputs come from and their results go."""

    def upstream(self, job: Job) -> Mapping[Stage, Artifact]:
        """What the job builds on.

        Raises: StoreError when it is gone or damaged.
        """

    def keep(self, job: Job, artifact: Artifact) -> Iterator[RunEvent]:
        """Put the result on disk; yields `JobDone`'s companions, such as `TakeDone`.

        Raises: StoreError when it can't.
        """


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

    def end(self) -> None:
        """End the worker, if there is one."""
        if self._client is not None:
            self._client.end()
            self._client = None


@dataclass(slots=True)
class _Attempt:
    """How far a batch of jobs came."""

    started: dict[str, float] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    failed: dict[str, RendererError] = field(default_factory=dict)
    died: WorkerDied | None = None
    broken: RendererError | None = None


class _Queue:
    """The jobs of a stage still to run, and which of them ended a worker before."""

    def __init__(self, jobs: Sequence[Job], *, window: int) -> None:
        self._waiting = list(jobs)
        self._alone: list[Job] = []
        self._window = window
        self._deaths: Counter[str] = Counter()
        self._deaths_while_loading = 0

    def take(self) -> list[Job]:
        """The next jobs to run together; suspects run alone."""
        if self._alone:
            return [self._alone.pop(0)]
        batch, self._waiting = self._waiting[: self._window], self._waiting[self._window :]
        return batch

    def settle(
        self, batch: Sequence[Job], left: Sequence[Job], attempt: _Attempt
    ) -> Iterator[tuple[Job, RendererError]]:
        """Put back what may run again of a batch's unfinished jobs; yields those that are given up, with the cause."""
        if attempt.broken:
            yield from self._give_up_all(left, attempt.broken)
            return
        for job in left:
            if job.key in attempt.failed and len(batch) == 1:
                yield job, attempt.failed[job.key]
            elif job.key in attempt.failed:
                self._alone.append(job)
        unfinished = [job for job in left if job.key not in attempt.failed]
        if attempt.died:
            yield from self._settle_death(unfinished, attempt, attempt.died)

    def _settle_death(
        self, left: Sequence[Job], attempt: _Attempt, died: WorkerDied
    ) -> Iterator[tuple[Job, RendererError]]:
        self._deaths_while_loading = 0 if attempt.started else self._deaths_while_loading + 1
        if self._deaths_while_loading >= _MOST_DEATHS:
            yield from self._give_up_all(left, died)
            return
        self._waiting = [job for job in left if job.key not in attempt.started] + self._waiting
        for job in left:
            if job.key not in attempt.started:
                continue
            self._deaths[job.key] += 1
            if self._deaths[job.key] >= _MOST_DEATHS:
                yield job, died
            else:
                self._alone.append(job)

    def _give_up_all(self, left: Sequence[Job], error: RendererError) -> Iterator[tuple[Job, RendererError]]:
        for job in (*left, *self._alone, *self._waiting):
            yield job, error
        self._waiting, self._alone = [], []


def execute(
    plan: Plan, *, workers: Workers, settings: Settings, sink: Sink, abandon: Callable[[Job], bool]
) -> Iterator[RunEvent]:
    """Run the plan's jobs, telling what happens; `abandon` says of a job that nobody wants it any more.

    Raises: StoreError when results can't be kept: what was kept until then stays.
    """
    run = _Run(plan, workers=workers, settings=settings, sink=sink, abandon=abandon)
    for group in plan.groups:
        yield from run.group(group)


class _Run:
    def __init__(
        self, plan: Plan, *, workers: Workers, settings: Settings, sink: Sink, abandon: Callable[[Job], bool]
    ) -> None:
        self._takes = {take.name: take for take in plan.takes}
        self._workers = workers
        self._settings = settings
        self._sink = sink
        self._abandon = abandon
        self._lost: set[str] = set()
        self._patience = _PATIENCE_SECONDS

    def group(self, group: Group) -> Iterator[RunEvent]:
        """Every stage of one part, the part loaded once."""
        jobs = self._wanted(group.jobs)
        if not jobs:
            return
        yield PartStarted(part=group.part, num_jobs=len(jobs))
        for stage in dict.fromkeys(job.stage for job in group.jobs):
            yield from self._stage(group, stage)

    def _wanted(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if not self._lost.issuperset(job.takes) and not self._abandon(job)]

    def _stage(self, group: Group, stage: Stage) -> Iterator[RunEvent]:
        queue = _Queue(self._wanted(group.of(stage)), window=_WINDOWS[group.part])
        while taken := queue.take():
            batch = self._wanted(taken)
            attempt = yield from self._attempt(group, stage, batch)
            if attempt.died:
                yield WorkerRestarted(error=attempt.died)
            left = self._wanted([job for job in batch if job.key not in attempt.finished])
            for job, error in queue.settle(batch, left, attempt):
                yield from self._fail(job, error)

    def _fail(self, job: Job, error: RendererError) -> Iterator[RunEvent]:
        yield JobFailed(job=job, error=error)
        for name in job.takes:
            self._lost.add(name)
            yield TakeFailed(take=self._takes[name], stage=job.stage, error=error)

    def _attempt(self, group: Group, stage: Stage, batch: Sequence[Job]) -> Generator[RunEvent, None, _Attempt]:
        attempt = _Attempt()
        try:
            ready: dict[str, Job] = {}
            stage_jobs: list[StageJob] = []
            for job in batch:
                try:
                    upstream = dict(self._sink.upstream(job))
                except RendererError as error:
                    attempt.failed[job.key] = error
                    continue
                ready[job.key] = job
                stage_jobs.append(StageJob(id=job.key, request=job.request, upstream=upstream))
            if not ready:
                return attempt
            client = self._workers.client()
            client.send(self._load(group))
            yield from self._until(attempt, client, ready, "resident")
            if not attempt.broken:
                client.send({"do": "run", "part": group.part, "stage": stage, "jobs": tuple(stage_jobs)})
                yield from self._until(attempt, client, ready, "ended")
        except WorkerDied as error:
            self._workers.end()
            attempt.died = error
        return attempt

    def _load(self, group: Group) -> dict[str, Any]:
        return {
            "do": "load",
            "part": group.part,
            "files": group.files,
            "settings": self._settings,
            "weights": group.jobs[0].settings["weights"],
            "residency": self._workers.residency,
        }

    def _until(self, attempt: _Attempt, client: WorkerClient, jobs: Mapping[str, Job], last: str) -> Iterator[RunEvent]:
        """Pass the worker's events on until the `last` one comes."""
        told: set[str] = set()
        heard = time.monotonic()
        while True:
            gone = {key for key, job in jobs.items() if key not in told and self._abandon(job)}
            if gone:
                told |= gone
                client.send({"do": "cancel", "jobs": tuple(gone)})
            event = client.event(_POLL_SECONDS)
            if event is None:
                self._check_patience(client, time.monotonic() - heard, last)
                continue
            silence, heard = time.monotonic() - heard, time.monotonic()
            if last == "ended":
                self._patience = max(self._patience, _PATIENCE_FACTOR * silence)
            if event["event"] == last:
                return
            if event["event"] == "broken":
                attempt.broken = _error(event)
                return
            yield from self._pass_on(attempt, event, jobs)

    def _check_patience(self, client: WorkerClient, silence: float, last: str) -> None:
        # Reading weights from a slow disk makes no sound; only running jobs do.
        if last != "ended" or silence <= self._patience:
            return
        client.end()
        raise WorkerDied(
            f"the worker said nothing for {silence:.0f} s",
            why="its stage hangs: it was ended",
            help="if it happens again, try --device cpu or a shorter song to find the cause",
        )

    def _pass_on(self, attempt: _Attempt, event: Mapping[str, Any], jobs: Mapping[str, Job]) -> Iterator[RunEvent]:
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
                yield from self._result(attempt, event["result"], jobs)

    def _result(self, attempt: _Attempt, result: Done | Failed, jobs: Mapping[str, Job]) -> Iterator[RunEvent]:
        job = jobs[result.id]
        if isinstance(result, Failed):
            attempt.failed[job.key] = StageError(result.message, why=result.why, help=result.help)
            return
        seconds = time.monotonic() - attempt.started.get(job.key, time.monotonic())
        yield from self._sink.keep(job, result.artifact)
        attempt.finished.add(job.key)
        yield JobDone(job=job, seconds=seconds)


def _error(event: Mapping[str, Any]) -> RendererError:
    return RendererError(event["message"], why=event["why"], help=event["help"])
