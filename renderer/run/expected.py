"""How long jobs and loads are expected to take: what decides who goes over to the next part, and what `plan` tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from renderer.models.family import part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Group, Job

LEAST_SECONDS = 1.0  # of song: a job that doesn't say how long its song is, or hardly any


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Seconds that things take on one worker."""

    paces: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Stage and weights -> seconds that a second of song occupies a slot; what isn't there goes by the stage's row."""
    loads: Mapping[str, float] = field(default_factory=dict)
    """Weights -> seconds that loading their part takes; what isn't there goes by the part's row."""
    start: float = 0.0
    """Seconds that a worker takes to come up."""

    def job(self, job: Job) -> float:
        """Seconds that a job occupies its slot."""
        pace = self.paces.get((job.stage, job.settings.weights), job.spec.cost.pace)
        return pace * max(LEAST_SECONDS, job.asked_seconds)

    def load(self, group: Group) -> float:
        """Seconds that loading a group's part takes."""
        usual = part_of(group.files, group.part).load_seconds
        return self.loads.get(group.jobs[0].settings.weights, usual)

    def knows(self, jobs: Iterable[Job]) -> bool:
        """Whether all of it was measured."""
        return all((job.stage, job.settings.weights) in self.paces for job in jobs)


GUESS = Expected()
"""By the rows of the stages' table alone: their relations are about right on any machine, their seconds are not."""


def ends(seconds: Mapping[str, float], num_slots: int) -> dict[str, float]:
    """Name -> when each of the jobs of a batch is through, that many at once, the longest first."""
    order = list(seconds) if num_slots == 1 else sorted(seconds, key=lambda name: -seconds[name])
    free, found = [0.0] * num_slots, {}
    for name in order:
        found[name] = heappop(free) + seconds[name]
        heappush(free, found[name])
    return found


def slots_of(job: Job, settings: Settings) -> int:
    """How many jobs run at once beside this one, itself included."""
    return part_of(job.files, job.part).slots(settings)
