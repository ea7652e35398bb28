"""Plan -> batches of jobs for so many workers, from what became of those before. Knows no process, no clock, no disk.

Batches are formed by content: a stage's jobs in the plan's order, cut into pieces. Which worker is free decides who
runs one, never what is in it, so results don't depend on it. A batch may be handed out once what its jobs build on is
on disk; so there is no barrier between stages. Which of several a worker takes is `choice`'s business.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.errors import DeviceFault, InputLost, NodeLost, StageError
from renderer.run.choice import Choice, Step, Way, choose
from renderer.run.cutting import cut
from renderer.run.events import JobFailed, PartStarted, TakeFailed, WorkerLeftOut, WorkerRestarted
from renderer.run.expected import GUESS
from renderer.run.retry import MOST_DEATHS, RetryQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from renderer.errors import RendererError, WorkerDied
    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Group, Input, Job, Plan
    from renderer.run.events import RunEvent
    from renderer.run.expected import Expected

MOST_NODES_LOST = 5  # in a row, while a worker loads


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """Jobs that a worker runs together, and what is known of them."""

    step: Step
    worker: int
    jobs: Mapping[str, Job]
    """By their keys, in their order."""
    loaded: bool = False
    started: dict[str, float] = field(default_factory=dict)
    """Key -> when the job showed its first sign of life, as `time.monotonic` tells it."""
    settled: set[str] = field(default_factory=set)
    """Keys of those that gave a result, failed or were cancelled."""
    num_results: int = 0
    """How many gave one."""

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


@dataclass(slots=True, kw_only=True, eq=False)
class _Death:
    """Of a worker over jobs that had begun; or what comes to the same, its device's failure at one that ran alone."""

    worker: int | None
    """None where it was none of the worker's doing: any may try its jobs again."""
    suspects: set[str]
    """Keys of those that no other worker has done since."""


class Dispatcher:
    """What is left of a plan, and what its workers do."""

    def __init__(
        self,
        plan: Plan,
        *,
        workers: Sequence[Settings],
        is_wanted: Callable[[Job], bool],
        expected: Expected = GUESS,
        way: Way = Way.FLOWING,
        is_picked: Callable[[Job], bool] = lambda _: True,
    ) -> None:
        """`is_picked` says of a job that waited for scores whether they chose it."""
        self._takes, self._picks = {take.name: take for take in plan.takes}, plan.picks
        self._is_wanted, self._is_picked = is_wanted, is_picked
        self._lost: set[str] = set()
        """Takes that won't come."""
        self._given_up: set[str] = set()
        """Jobs that won't come: what builds on them won't either."""
        self._open = {job.key for job in plan.jobs}
        """Jobs that aren't over: what builds on them has to wait."""
        self._steps = [step for at, group in enumerate(plan.groups) for step in _steps(group, at, workers)]
        self._choice = Choice(steps=self._steps, workers=workers, expected=expected, way=way, open=self._open)
        self._reckoned = frozenset(job.key for job in plan.as_if_picked.jobs)
        """Of jobs that scores choose among, as many as they will choose."""
        self._begun: set[int] = set()
        """Groups that were told of, by their identity."""
        self._died_on: dict[str, _Death] = {}
        """Job -> the death that it is suspected of; it runs again on another worker, which tells whose fault it was."""
        self._without_input: set[str] = set()
        """Jobs that failed alone, what they build on being lost."""
        self._strikes: Counter[int] = Counter()
        """Of workers: how often they died over, or failed at, jobs that all did well elsewhere."""
        self._deaths_in_a_row: Counter[int] = Counter()
        """Of workers, since their last result."""
        self._deaths_while_loading = dict.fromkeys(range(len(workers)), 0)
        """Of the workers that are in use, since they last loaded a part."""

    def wants(self, job: Job) -> bool:
        """Whether the job's result can come and is wanted by anybody."""
        return all(one.key not in self._given_up for one in job.inputs.values()) and self._is_wanted(job)

    @property
    def most_at_once(self) -> int:
        """Workers that may have something to do at the same time."""
        batches = max((sum(1 for _ in step.queue.waiting) for step in self._steps), default=0)
        return min(len(self.workers), batches)

    @property
    def workers(self) -> tuple[int, ...]:
        """Those in use."""
        return tuple(self._deaths_while_loading)

    def in_turn(self, idle: Iterable[int]) -> list[int]:
        """Idle workers in the order they are to ask: first those that have what they would run loaded."""
        workers = list(idle)
        if len(workers) == 1:  # which it would load is worth asking only where there is another
            return workers
        return sorted(workers, key=lambda worker: (self._would_load(worker), worker))

    def _would_load(self, worker: int) -> bool:
        step = choose(self._choice, worker, self._is_for(worker))
        return step is None or self._choice.needs_load(worker, step)

    def next_batch(self, worker: int) -> Batch | None:
        """What an idle worker runs next; None while there is nothing that it could, or should."""
        while step := choose(self._choice, worker, self._is_for(worker)):
            jobs = self._first(step, worker)
            wanted = {job.key: job for job in self._only_picked(self._only_wanted(step.queue.take(jobs)))}
            if wanted:
                self._choice.take(worker, step, wanted.values())
                return Batch(step=step, worker=worker, jobs=wanted)
        return None

    def _is_for(self, worker: int) -> Callable[[Step], bool]:
        return lambda step: worker not in step.broken and bool(self._first(step, worker))

    def _first(self, step: Step, worker: int) -> tuple[Job, ...]:
        """The first of a step's batches that the worker could run now; empty where there is none."""
        others = [one for one in self.workers if one != worker and one not in step.broken]
        for jobs in step.queue.waiting:
            # Whose fault a death was only another worker can tell; the last one tries its own again.
            death = self._died_on.get(jobs[0].key)
            if others and death and death.worker == worker:
                continue
            if self._are_ready(jobs):
                return jobs
        return ()

    def part_started(self, batch: Batch) -> Iterator[RunEvent]:
        """Tell of a batch's part, before the first batch of its group runs."""
        if id(batch.group) not in self._begun:
            self._begun.add(id(batch.group))
            jobs = (job for job in batch.group.jobs if job.key in self._reckoned)
            yield PartStarted(group=batch.group, num_jobs=sum(map(self.wants, jobs)))

    def loaded(self, worker: int, batch: Batch) -> None:
        """The batch's part is resident."""
        batch.loaded = True
        if worker in self._deaths_while_loading:
            self._deaths_while_loading[worker] = 0

    def finished(self, batch: Batch, job: Job) -> Iterator[RunEvent]:
        """The job's result is on disk, also of one that was cancelled too late."""
        # It is on disk: whoever gave it up meanwhile was wrong, and what builds on it may run.
        self._open.discard(job.key)
        self._given_up.discard(job.key)
        self._deaths_in_a_row.pop(batch.worker, None)
        death = self._died_on.pop(job.key, None)
        # A job that two workers die of stays in the first death's list: then it was the job, and is no strike.
        if death and death.worker is not None and death.worker != batch.worker:
            death.suspects.discard(job.key)
            self._strikes[death.worker] += not death.suspects
            if self._strikes[death.worker] >= MOST_DEATHS:
                yield from self._leave_out(death.worker, StageError("it failed at jobs that others did well"))

    def failed(self, batch: Batch, job: Job, error: RendererError) -> Iterator[RunEvent]:
        """The job failed, or its result can't be kept: it runs again alone, unless it did."""
        batch.settled.add(job.key)
        if not self.wants(job):
            self._drop(job)
        elif len(batch.jobs) > 1 or self._lost_its_input(job, error):
            # A neighbour may have taken the memory: alone it has all of it. The bits are the same either way.
            batch.step.queue.again_alone(job)
        elif isinstance(error, DeviceFault) and job.key not in self._died_on and self._others(batch):
            # Another tells whose fault it was, as of a death.
            self._died_on[job.key] = _Death(worker=batch.worker, suspects={job.key})
            batch.step.queue.again_alone(job)
        else:
            yield from self._give_up(job, error)

    def _others(self, batch: Batch) -> bool:
        """Whether another worker could run the batch."""
        return any(worker != batch.worker and worker not in batch.step.broken for worker in self.workers)

    def _lost_its_input(self, job: Job, error: RendererError) -> bool:
        """Whether the job itself did nothing wrong: how many others were sent with it then says nothing. Once a job."""
        first = isinstance(error, InputLost) and job.key not in self._without_input
        self._without_input.add(job.key)
        return first

    def cancelled(self, batch: Batch, jobs: Iterable[Job]) -> None:
        """Nobody wants the jobs any more, and the worker was told."""
        for job in jobs:
            batch.settled.add(job.key)
            self._drop(job)

    def ended(self, batch: Batch) -> Iterator[RunEvent]:
        """The worker is through with the batch."""
        self._choice.rest(batch.worker)
        for job in batch.left:
            yield from self.failed(batch, job, StageError(f"`{job.stage}` gave nothing", why="a fault in the model"))
        # What one worker can do, others that couldn't are to blame for.
        for worker, error in tuple(batch.step.broken.items()):
            yield from self._leave_out(worker, error)

    def broken(self, batch: Batch, error: RendererError) -> Iterator[RunEvent]:
        """The worker can't load or run the batch's part: others try, and where none can, the stage is given up."""
        # Nothing is resident after a failed load, whatever was before.
        self._choice.forget(batch.worker)
        batch.step.broken[batch.worker] = error
        batch.step.queue.again(batch.left)
        if not self._nobody_can(batch.step):
            yield WorkerRestarted(error=error)
            return
        yield from self._give_up_step(batch.step, error)

    def died(self, worker: int, batch: Batch, error: WorkerDied) -> Iterator[RunEvent]:
        """The worker died over the batch: what it was at is suspected, what never began runs again."""
        self._choice.forget(worker)
        if not batch.loaded:
            yield from self._died_while_loading(worker, batch, error)
            return
        yield WorkerRestarted(error=error)
        left = self._only_wanted(batch.left)
        # Without a sign of life the first one is suspected: jobs run in the order they were sent.
        suspects = [job for job in left if job.key in batch.started] or left[:1]
        batch.step.queue.again([job for job in left if job not in suspects])
        # A node that is gone says something of jobs, perhaps, and nothing of who comes in the worker's place.
        at_fault = None if isinstance(error, NodeLost) else worker
        death = _Death(worker=at_fault, suspects={job.key for job in suspects})
        for job in suspects:
            self._died_on[job.key] = death
            if not batch.step.queue.may_try_again(job):
                yield from self._give_up(job, error)
        self._deaths_in_a_row[worker] += at_fault is not None
        if self._deaths_in_a_row[worker] >= MOST_DEATHS:
            yield from self._leave_out(worker, error)

    def never_ready(self) -> Iterator[RunEvent]:
        """Give up what waits for results that nobody makes: there is none, or the plan is at fault."""
        for step in self._steps:
            for job in self._only_picked(self._only_wanted(step.queue.take_all())):
                error = StageError(f"what `{job.stage}` builds on never came", why="a fault in the plan")
                yield from self._give_up(job, error)

    def _died_while_loading(self, worker: int, batch: Batch, error: WorkerDied) -> Iterator[RunEvent]:
        batch.step.queue.again(batch.left)
        if worker not in self._deaths_while_loading:
            return
        self._deaths_while_loading[worker] += 1
        # Nodes that go are no fault of the worker's; but one part that takes each node along has to end some time.
        most = MOST_NODES_LOST if isinstance(error, NodeLost) else MOST_DEATHS
        if self._deaths_while_loading[worker] < most:
            yield WorkerRestarted(error=error)
        elif len(self.workers) > 1:
            # Perhaps its device; the others go on without it.
            yield from self._leave_out(worker, error)
        else:
            self._deaths_while_loading[worker] = 0
            yield WorkerRestarted(error=error)
            yield from self._give_up_step(batch.step, error)

    def _leave_out(self, worker: int, error: RendererError) -> Iterator[RunEvent]:
        """Go on without a worker; the last one is never left out."""
        if worker not in self._deaths_while_loading or len(self.workers) == 1:
            return
        del self._deaths_while_loading[worker]
        yield WorkerLeftOut(worker=worker, error=error)
        for step in self._steps:
            step.broken.pop(worker, None)
            if step.broken and self._nobody_can(step):
                yield from self._give_up_step(step, next(iter(step.broken.values())))

    def _nobody_can(self, step: Step) -> bool:
        return all(worker in step.broken for worker in self.workers)

    def _give_up_step(self, step: Step, error: RendererError) -> Iterator[RunEvent]:
        for job in self._only_wanted(step.queue.take_all()):
            yield from self._give_up(job, error)

    def _give_up(self, job: Job, error: RendererError) -> Iterator[RunEvent]:
        self._drop(job)
        yield JobFailed(job=job, error=error)
        for name in job.takes:
            # What is only wanted beside the sound is told of the take, which comes all the same.
            beside = job.spec.wanted and job.key in self._takes[name].keys.values() and not self._decides(job, name)
            if not beside and name not in self._lost:
                self._lost.add(name)
                yield TakeFailed(take=self._takes[name], stage=job.stage, error=self._error_of_take(name, job, error))

    def _decides(self, job: Job, name: str) -> bool:
        """Whether a take is finished or not by the job's result: that there is none is nobody's choice."""
        return any(pick.scores.get(name) == job.key and name not in pick.always for pick in self._picks)

    def _error_of_take(self, name: str, job: Job, error: RendererError) -> RendererError:
        """The error as the take is told of it: what it builds on may be another take's."""
        if job.key in self._takes[name].keys.values():
            return error
        owner = next((take.name for take in self._takes.values() if job.key in take.keys.values()), None)
        owner = owner or next((one.take for one in self._inputs() if one.key == job.key and one.take), "another take")
        what = f"the {job.stage} of `{owner}`" if job.spec.wanted else f"`{owner}`"
        help_ = job.spec.if_lacking or error.help
        return StageError(f"{what}, which it builds on, failed: {error.message}", why=error.why, help=help_)

    def _inputs(self) -> Iterator[Input]:
        return (one for step in self._steps for job in step.group.jobs for one in job.inputs.values())

    def _drop(self, job: Job) -> None:
        self._open.discard(job.key)
        self._given_up.add(job.key)

    def _are_ready(self, jobs: Sequence[Job]) -> bool:
        return all(self._open.isdisjoint(job.waits_for) for job in jobs)

    def _only_picked(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """Those that scores chose, which are all there by now; the others are over, and nothing failed."""
        for job in jobs:
            if not job.picks or self._is_picked(job):
                yield job
            else:
                self._drop(job)

    def _only_wanted(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that are wanted; the others are over."""
        for job in jobs:
            if not self.wants(job):
                self._drop(job)
        return [job for job in jobs if job.key not in self._given_up]


def _steps(group: Group, position: int, workers: Sequence[Settings]) -> Iterator[Step]:
    for jobs in group.batches:
        yield Step(group=group, position=position, stage=jobs[0].stage, queue=RetryQueue(cut(jobs, workers)))
