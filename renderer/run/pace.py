"""Run events -> how far a part is: jobs done and in flight, units a second, time left. Draws nothing."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from renderer.run.events import JobDone, JobFailed, JobProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent

WINDOW_SECONDS = 15.0
"""How far back the rate looks: a slot that falls idle shows, a pause for loading doesn't."""
LEAST_SECONDS = 1.0


@dataclass(slots=True)
class Pace:
    """One part's jobs, from their events."""

    jobs: dict[str, Job] = field(default_factory=dict)
    """By their keys."""
    now: Callable[[], float] = time.monotonic
    _counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Key -> units done, units at most, of what has begun and isn't over."""
    _over: set[str] = field(default_factory=set)
    _spent: dict[str, list[int]] = field(default_factory=dict)
    """Units that a stage's finished jobs took."""
    _counted: deque[tuple[float, int]] = field(default_factory=deque)
    """When, and how many units had been done by then."""
    _units: int = 0

    def hear(self, event: RunEvent) -> None:
        """Take an event of one of the part's jobs in."""
        match event:
            case JobProgress(job=job) | JobDone(job=job) | JobFailed(job=job):
                self._take_in(job)
        match event:
            case JobProgress(job=job):
                self._over.discard(job.key)
                before, _ = self._counts.get(job.key, (0, 0))
                self._counts[job.key] = (event.done, event.total)
                # A job that runs again after a worker's death counts from its start.
                self._units += max(0, event.done - before)
                self._remember()
            case JobDone(job=job):
                units, _ = self._counts.pop(job.key, (0, 0))
                self._over.add(job.key)
                self._spent.setdefault(job.stage, []).append(units)
            case JobFailed(job=job):
                self._counts.pop(job.key, None)
                self._over.add(job.key)

    def _take_in(self, job: Job) -> None:
        """What is made once more, being damaged, nobody planned; what scores chose takes another's place."""
        if job.key in self.jobs:
            return
        waiting = (key for key, one in self.jobs.items() if one.picks and one.stage == job.stage)
        stand_in = next((key for key in waiting if key not in self._over and key not in self._counts), None)
        if job.picks and stand_in is not None:
            del self.jobs[stand_in]
        self.jobs[job.key] = job

    @property
    def num_done(self) -> int:
        """Jobs that are over."""
        return len(self._over)

    @property
    def in_flight(self) -> int:
        """Jobs that have begun and aren't over."""
        return len(self._counts)

    @property
    def share(self) -> float:
        """Of the part's work, 0 to 1, by units: a finished chain of thought is less than a song's codes."""
        left = self._units_left()
        return self._units / (self._units + left) if left else float(bool(self._over))

    @property
    def per_second(self) -> float | None:
        """Units a second lately; None while there is too little to say."""
        if len(self._counted) < 2 or self._counted[-1][0] - self._counted[0][0] < LEAST_SECONDS:  # noqa: PLR2004 - two ends
            return None
        (began, before), (ended, after) = self._counted[0], self._counted[-1]
        return (after - before) / (ended - began)

    @property
    def seconds_left(self) -> float | None:
        """Until the part is through, at this rate; None while there is none."""
        rate = self.per_second
        return self._units_left() / rate if rate else None

    def _remember(self) -> None:
        now = self.now()
        self._counted.append((now, self._units))
        while self._counted[0][0] < now - WINDOW_SECONDS:
            self._counted.popleft()

    def _units_left(self) -> float:
        usual = self._usual()
        return sum(self._left(job, usual) for key, job in self.jobs.items() if key not in self._over)

    def _left(self, job: Job, usual: Mapping[str, float]) -> float:
        done, most = self._counts.get(job.key, (0, 0))
        cost = job.spec.cost
        if most and not cost.total_is_limit:
            return most - done
        return max(0.0, (cost.units(job.request) or usual[job.stage]) - done)

    def _usual(self) -> dict[str, float]:
        """What a job of each stage takes, by those that are done; else by those that have begun, or a guess."""
        usual = {job.stage: job.spec.cost.usual_units or 1.0 for job in self.jobs.values()}
        for key, (_, most) in self._counts.items():
            if self.jobs[key].spec.cost.usual_units is None:
                usual[self.jobs[key].stage] = float(most)
        return usual | {stage: sum(spent) / len(spent) for stage, spent in self._spent.items()}
