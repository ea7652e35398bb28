"""Plan -> batches of jobs for so many workers, from what became of those before. Knows no process, no clock, no disk.

Batches are formed by content: a stage's jobs in the plan's order, cut into equal pieces. Which worker is free decides
who runs one, never what is in it, so results don't depend on it. A batch may be handed out once what its jobs build on
is on disk; so there is no barrier between stages, and a worker stays with the part it has loaded while that has work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from renderer.errors import StageError
from renderer.models.family import part_of, read_by
from renderer.run.events import JobFailed, PartStarted, TakeFailed, WorkerLeftOut, WorkerRestarted
from renderer.run.retry import MOST_DEATHS, RetryQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from renderer.errors import RendererError, WorkerDied
    from renderer.plan.jobs import Group, Job, Plan
    from renderer.run.events import RunEvent


@dataclass(slots=True, kw_only=True, eq=False)
class _Step:
    """One stage of one group."""

    group: Group
    stage: str
    queue: RetryQueue

    @property
    def resident(self) -> object:
        """What its part is loaded from."""
        return (self.group.part, read_by(self.group.part, self.group.files))


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """Jobs that a worker runs together, and what is known of them."""

    step: _Step
    jobs: Mapping[str, Job]
    """By their keys, in their order."""
    loaded: bool = False
    started: dict[str, float] = field(default_factory=dict)
    """Key -> when the job showed its first sign of life, as `time.monotonic` tells it."""
    settled: set[str] = field(default_factory=set)
    """Keys of those that gave a result, failed or were cancelled."""

    @property
    def group(self) -> Group:
        """The group they are of."""
        return self.step.group

    @property
    def stage(self) -> str:
        """The stage they are of."""
        return self.step.stage

    @property
    def left(self) -> tuple[Job, ...]:
        """The jobs that nothing is known of yet."""
        return tuple(job for key, job in self.jobs.items() if key not in self.settled)


class Dispatcher:
    """What is left of a plan, and what its workers do."""

    def __init__(self, plan: Plan, *, num_workers: int, is_wanted: Callable[[Job], bool]) -> None:
        self._takes = {take.name: take for take in plan.takes}
        self._is_wanted = is_wanted
        self._lost: set[str] = set()
        """Takes that won't come."""
        self._given_up: set[str] = set()
        """Jobs that won't come: what builds on them won't either."""
        self._open = {job.key for job in plan.jobs}
        """Jobs that aren't over: what builds on them has to wait."""
        self._steps = [step for group in plan.groups for step in _steps(group, num_workers)]
        self._begun: set[int] = set()
        """Groups that were told of, by their identity."""
        self._resident: dict[int, object] = {}
        self._deaths_while_loading = dict.fromkeys(range(num_workers), 0)
        """Of the workers that are in use, since they last loaded a part."""

    def wants(self, job: Job) -> bool:
        """Whether the job's result can come and is wanted by anybody."""
        return self._given_up.isdisjoint(job.upstream.values()) and self._is_wanted(job)

    @property
    def workers(self) -> tuple[int, ...]:
        """Those in use."""
        return tuple(self._deaths_while_loading)

    def next_batch(self, worker: int) -> Batch | None:
        """What an idle worker runs next; None while there is nothing that it could."""
        for step in sorted(self._steps, key=lambda step: step.resident != self._resident.get(worker)):
            while (waiting := step.queue.next) and self._are_ready(waiting):
                jobs = {job.key: job for job in self._only_wanted(step.queue.take())}
                if jobs:
                    self._resident[worker] = step.resident
                    return Batch(step=step, jobs=jobs)
        return None

    def part_started(self, batch: Batch) -> Iterator[RunEvent]:
        """Tell of a batch's part, before the first batch of its group runs."""
        if id(batch.group) not in self._begun:
            self._begun.add(id(batch.group))
            yield PartStarted(group=batch.group, num_jobs=sum(map(self.wants, batch.group.jobs)))

    def loaded(self, worker: int, batch: Batch) -> None:
        """The batch's part is resident."""
        batch.loaded = True
        self._deaths_while_loading[worker] = 0

    def finished(self, job: Job) -> None:
        """The job's result is on disk, also of one that was cancelled too late."""
        self._open.discard(job.key)
        self._given_up.discard(job.key)

    def failed(self, batch: Batch, job: Job, error: RendererError) -> Iterator[RunEvent]:
        """The job failed, or its result can't be kept: it runs again alone, unless it did."""
        batch.settled.add(job.key)
        if not self.wants(job):
            self._drop(job)
        elif len(batch.jobs) > 1:
            batch.step.queue.again_alone(job)
        else:
            yield from self._give_up(job, error)

    def cancelled(self, batch: Batch, jobs: Iterable[Job]) -> None:
        """Nobody wants the jobs any more, and the worker was told."""
        for job in jobs:
            batch.settled.add(job.key)
            self._drop(job)

    def ended(self, batch: Batch) -> Iterator[RunEvent]:
        """The worker is through with the batch."""
        for job in batch.left:
            yield from self.failed(batch, job, StageError(f"`{job.stage}` gave nothing", why="a fault in the model"))

    def broken(self, batch: Batch, error: RendererError) -> Iterator[RunEvent]:
        """The batch's part can't be loaded or run, for any of the stage's jobs."""
        for job in self._only_wanted((*batch.left, *batch.step.queue.take_all())):
            yield from self._give_up(job, error)

    def died(self, worker: int, batch: Batch, error: WorkerDied) -> Iterator[RunEvent]:
        """The worker died over the batch: what it was at is suspected, what never began runs again."""
        self._resident.pop(worker, None)
        if not batch.loaded:
            yield from self._died_while_loading(worker, batch, error)
            return
        yield WorkerRestarted(error=error)
        left = self._only_wanted(batch.left)
        # Without a sign of life the first one is suspected: jobs run in the order they were sent.
        suspects = [job for job in left if job.key in batch.started] or left[:1]
        batch.step.queue.again([job for job in left if job not in suspects])
        for job in suspects:
            if not batch.step.queue.may_try_again(job):
                yield from self._give_up(job, error)

    def never_ready(self) -> Iterator[RunEvent]:
        """Give up what waits for results that nobody makes: there is none, or the plan is at fault."""
        for step in self._steps:
            for job in self._only_wanted(step.queue.take_all()):
                error = StageError(f"what `{job.stage}` builds on never came", why="a fault in the plan")
                yield from self._give_up(job, error)

    def _died_while_loading(self, worker: int, batch: Batch, error: WorkerDied) -> Iterator[RunEvent]:
        self._deaths_while_loading[worker] += 1
        is_last = len(self._deaths_while_loading) == 1
        if self._deaths_while_loading[worker] >= MOST_DEATHS and not is_last:
            # Perhaps its device; the others go on without it.
            del self._deaths_while_loading[worker]
            yield WorkerLeftOut(worker=worker, error=error)
            batch.step.queue.again(batch.left)
            return
        yield WorkerRestarted(error=error)
        if self._deaths_while_loading[worker] < MOST_DEATHS:
            batch.step.queue.again(batch.left)
        else:
            self._deaths_while_loading[worker] = 0
            yield from self.broken(batch, error)

    def _give_up(self, job: Job, error: RendererError) -> Iterator[RunEvent]:
        self._drop(job)
        yield JobFailed(job=job, error=error)
        # What is only wanted beside the sound is told of the take, which comes all the same.
        for name in () if job.spec.wanted else job.takes:
            if name not in self._lost:
                self._lost.add(name)
                yield TakeFailed(take=self._takes[name], stage=job.stage, error=self._error_of_take(name, job, error))

    def _error_of_take(self, name: str, job: Job, error: RendererError) -> RendererError:
        """The error as the take is told of it: what it builds on may be another take's."""
        if job.key in self._takes[name].keys.values():
            return error
        owner = next((take.name for take in self._takes.values() if job.key in take.keys.values()), "another take")
        return StageError(f"`{owner}`, which it builds on, failed: {error.message}", why=error.why, help=error.help)

    def _drop(self, job: Job) -> None:
        self._open.discard(job.key)
        self._given_up.add(job.key)

    def _are_ready(self, jobs: Sequence[Job]) -> bool:
        return not any(key in self._open for job in jobs for key in job.upstream.values())

    def _only_wanted(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that are wanted; the others are over."""
        for job in jobs:
            if not self.wants(job):
                self._drop(job)
        return [job for job in jobs if job.key not in self._given_up]


def _steps(group: Group, num_workers: int) -> Iterator[_Step]:
    for jobs in group.batches:
        size = min(part_of(group.files, group.part).window, ceil(len(jobs) / num_workers))
        batches = (jobs[start : start + size] for start in range(0, len(jobs), size))
        yield _Step(group=group, stage=jobs[0].stage, queue=RetryQueue(batches))
