"""Which step an idle worker goes to: what it has loaded, unless others get that done while it begins the next part.

Pure: steps, who is where and what things are expected to take go in. The dispatcher asks it while a plan runs, and
`simulation` before, with the same rules.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from renderer.models.family import read_by
from renderer.run.expected import slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from renderer.errors import RendererError
    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Group, Job
    from renderer.run.expected import Expected
    from renderer.run.retry import RetryQueue

MOST_EXTRA_LOADS = 2
"""Loads of a group's part that a worker had left before: once back and forth again."""


class Way(StrEnum):
    """How workers go through a plan; `simulation` compares them."""

    FLOWING = "flowing"
    """A worker goes over to the next part while others finish its own."""
    STAYING = "staying"
    """A worker stays with its part until none of its batches waits."""
    BARRIER = "barrier"
    """Nobody begins a part before all jobs of the one before are over."""


@dataclass(slots=True, kw_only=True, eq=False)
class Step:
    """One stage of one group."""

    group: Group
    position: int
    """The group's, in the plan."""
    stage: str
    queue: RetryQueue
    broken: dict[int, RendererError] = field(default_factory=dict)
    """Workers that couldn't load or run it."""

    @property
    def resident(self) -> object:
        """What its part is loaded from."""
        return (self.group.part, read_by(self.group.part, self.group.files))


@dataclass(slots=True, kw_only=True)
class Choice:
    """Where the workers are."""

    steps: Sequence[Step]
    workers: Sequence[Settings]
    expected: Expected
    way: Way
    open: AbstractSet[str]
    """Keys of jobs that aren't over."""
    at: dict[int, Step] = field(default_factory=dict)
    """Worker -> the step whose part it has loaded."""
    running: dict[int, tuple[Job, ...]] = field(default_factory=dict)
    _visited: dict[int, set[int]] = field(default_factory=dict)
    """Worker -> positions of the groups it loaded a part for."""
    extra: Counter[int] = field(default_factory=Counter)

    def take(self, worker: int, step: Step, jobs: Iterable[Job]) -> None:
        """A worker runs a batch of the step."""
        if self.needs_load(worker, step):
            visited = self._visited.setdefault(worker, set())
            self.extra[worker] += step.position in visited
        self._visited.setdefault(worker, set()).add(step.position)
        self.at[worker] = step
        self.running[worker] = tuple(jobs)

    def rest(self, worker: int) -> None:
        """It runs nothing."""
        self.running.pop(worker, None)

    def forget(self, worker: int) -> None:
        """It died: nothing is resident."""
        self.rest(worker)
        self.at.pop(worker, None)

    def needs_load(self, worker: int, step: Step) -> bool:
        """Whether the worker would load the step's part."""
        return worker not in self.at or self.at[worker].resident != step.resident

    def may_load(self, worker: int, step: Step) -> bool:
        """Whether it isn't a load too many; where nobody works, one has to."""
        # Without a limit two workers could trade parts for ever; with nobody at work a load is better than an end.
        back = self.needs_load(worker, step) and step.position in self._visited.get(worker, ())
        return not back or self.extra[worker] < MOST_EXTRA_LOADS or not self.running


def choose(choice: Choice, worker: int, is_for: Callable[[Step], bool]) -> Step | None:
    """The step whose next batch the worker runs; `is_for` says of which steps it could run one now."""
    steps = choice.steps if choice.way is not Way.BARRIER else _first_open(choice)
    ready = [step for step in steps if is_for(step) and choice.may_load(worker, step)]
    own = next((step for step in ready if not choice.needs_load(worker, step)), None)
    others = [step for step in ready if choice.needs_load(worker, step)]
    if own is None:
        return _elsewhere(choice, worker, others)
    # Who came back once stays: going over again might leave it no load to come back with.
    if choice.way is Way.FLOWING and not choice.extra[worker]:
        later = next((step for step in others if step.position > own.position), None)
        if later is not None and _others_get_done(choice, worker, own, later):
            return later
    return own


def _first_open(choice: Choice) -> list[Step]:
    """The steps of the first group that isn't over."""
    first = next((step for step in choice.steps if any(job.key in choice.open for job in step.group.jobs)), None)
    return [step for step in choice.steps if first is not None and step.position == first.position]


def _elsewhere(choice: Choice, worker: int, others: Sequence[Step]) -> Step | None:
    """Back to an earlier part only where more waits than the two loads take; else on to the next."""
    here = choice.at[worker].position if worker in choice.at else -1
    later = next((step for step in others if step.position > here), None)
    for step in others:
        if step.position <= here:
            waiting = _seconds(choice, step.queue.jobs)
            if later is None or waiting > 2 * choice.expected.load(step.group):
                return step
    return later


def _others_get_done(choice: Choice, worker: int, own: Step, later: Step) -> bool:
    """Whether what is left here, divided by the workers on it, is less than a load and what waits for the next part."""
    beside = [one for one in choice.running if one != worker and choice.at[one].position == own.position]
    if not beside:
        return False
    left = _seconds(choice, (job for job in own.group.jobs if job.key in choice.open))
    waiting = (job for job in later.queue.jobs if choice.open.isdisjoint(job.waits_for))
    return left / (len(beside) + 1) < choice.expected.load(later.group) + _seconds(choice, waiting)


def _seconds(choice: Choice, jobs: Iterable[Job]) -> float:
    """Of work, slots counted: a job that shares its device with others takes its share."""
    return sum(choice.expected.job(job) / slots_of(job, choice.workers[0]) for job in jobs)
