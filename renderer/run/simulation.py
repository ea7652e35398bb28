"""A plan carried out by so many workers, on a clock of expected times: the dispatcher itself, with nothing behind it.

So what is told before a run is what the run does, as far as the times are right. Of the ways through a plan the one
that ends first is taken: with a barrier between the parts it never ends later than with one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from renderer.run.choice import Way
from renderer.run.dispatcher import Dispatcher
from renderer.run.expected import ends, slots_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Plan
    from renderer.run.dispatcher import Batch
    from renderer.run.expected import Expected

MOST_JOBS = 5_000
"""Of a plan that is simulated in more than one way: beyond, a part is so long that the ways end alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stint:
    """A batch in a worker's lane."""

    part: str
    stage: str
    begin: float
    """Seconds since the run began, the load before it included."""
    load: float
    """Seconds of loading; 0 where the part is resident."""
    end: float
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Who does what, and when."""

    way: Way
    lanes: tuple[tuple[Stint, ...], ...]
    """One for each worker."""

    @property
    def seconds(self) -> float:
        """Until the last job is done."""
        return max((lane[-1].end for lane in self.lanes if lane), default=0.0)


def best(plan: Plan, workers: Sequence[Settings], expected: Expected) -> Schedule:
    """The way through a plan that ends first; of those that end at once, the first of `Way`."""
    ways = (Way.FLOWING,) if _all_alike(plan, workers) else tuple(Way)
    return min((simulate(plan, workers, expected, way) for way in ways), key=lambda schedule: schedule.seconds)


def best_way(plan: Plan, workers: Sequence[Settings], expected: Expected) -> Way:
    """As `best` has it, nothing simulated where there is no choice."""
    return Way.FLOWING if _all_alike(plan, workers) else best(plan, workers, expected).way


def _all_alike(plan: Plan, workers: Sequence[Settings]) -> bool:
    return len(workers) == 1 or len(plan.jobs) > MOST_JOBS


def simulate(plan: Plan, workers: Sequence[Settings], expected: Expected, way: Way) -> Schedule:
    """One way through a plan. Nothing fails in it."""
    clock = _Clock(
        dispatcher=Dispatcher(plan, workers=workers, is_wanted=lambda _: True, expected=expected, way=way),
        workers=workers,
        expected=expected,
    )
    clock.run()
    return Schedule(way=way, lanes=tuple(map(tuple, clock.lanes)))


@dataclass(slots=True, kw_only=True)
class _Clock:
    dispatcher: Dispatcher
    workers: Sequence[Settings]
    expected: Expected
    now: float = 0.0
    lanes: list[list[Stint]] = field(default_factory=list)
    _coming: list[tuple[float, int, Batch, Any]] = field(default_factory=list)
    """When, which of equal times, and the job that is done then; None where its batch is."""
    _numbers: count[int] = field(default_factory=count)
    _resident: dict[int, object] = field(default_factory=dict)

    def run(self) -> None:
        self.lanes = [[] for _ in self.workers]
        idle = set(range(len(self.workers)))
        while True:
            for worker in self.dispatcher.in_turn(idle):
                if batch := self.dispatcher.next_batch(worker):
                    idle.discard(worker)
                    self._begin(worker, batch)
            if not self._coming:
                return
            self.now, _, batch, job = heappop(self._coming)
            self._on(batch, job, idle)
            while self._coming and self._coming[0][0] <= self.now:
                _, _, batch, job = heappop(self._coming)
                self._on(batch, job, idle)

    def _on(self, batch: Batch, job: Any, idle: set[int]) -> None:
        if job is not None:
            batch.settled.add(job.key)
            for _ in self.dispatcher.finished(batch, job):
                pass
            return
        for _ in self.dispatcher.ended(batch):
            pass
        idle.add(batch.worker)

    def _begin(self, worker: int, batch: Batch) -> None:
        jobs = tuple(batch.jobs.values())
        start = 0.0 if worker in self._resident else self.expected.start
        loads = self._resident.get(worker) != batch.step.resident
        load = start + self.expected.load(batch.group) if loads else 0.0
        self._resident[worker] = batch.step.resident
        self.dispatcher.loaded(worker, batch)
        done = ends({job.key: self.expected.job(job) for job in jobs}, slots_of(jobs[0], self.workers[0]))
        for job in jobs:
            self._put(self.now + load + done[job.key], batch, job)
        end = self.now + load + max(done.values())
        self._put(end, batch, None)
        self.lanes[worker].append(
            Stint(
                part=batch.group.part,
                stage=batch.stage,
                begin=self.now,
                load=load,
                end=end,
                keys=tuple(batch.jobs),
            )
        )

    def _put(self, when: float, batch: Batch, job: Any) -> None:
        heappush(self._coming, (when, next(self._numbers), batch, job))
