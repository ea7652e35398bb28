"""Whom a stage tells how far it is while it is measured: it gives the job up once enough is known."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

ENOUGH_UNITS = 24
"""Measured ones, after those that warm up."""
WARM_SHARE = 4
"""One unit in so many is warming up, one at least."""


@dataclass(slots=True)
class Stopwatch:
    """Of one run of one stage."""

    most_seconds: float = float("inf")
    began: float = field(default_factory=time.perf_counter)
    marks: list[tuple[float, int]] = field(default_factory=list)
    """When the first job told so many units."""
    unit: str = ""
    total: int = 0
    components: dict[str, float] = field(default_factory=dict)
    _job: str = ""

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """Of the job that told first, when it had done what."""
        self._job = self._job or job_id
        if job_id == self._job and done > (self.marks[-1][1] if self.marks else 0):
            self.marks.append((time.perf_counter(), done))
            self.unit, self.total = unit, total

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """What was read."""
        del num_bytes
        self.components[component] = seconds

    def cancelled(self, job_id: str) -> bool:
        """Whether enough is known."""
        del job_id
        if len(self.marks) < 2:  # noqa: PLR2004 - one unit lies between two marks
            return False
        return self.marks[-1][1] >= ENOUGH_UNITS * WARM_SHARE / (WARM_SHARE - 1) or self.spent > self.most_seconds

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.began

    @property
    def unit_seconds(self) -> float | None:
        """Of one unit, those that warm up left out; None where fewer than two were told."""
        if len(self.marks) < 2:  # noqa: PLR2004 - as above
            return None
        (first, before), (last, done) = self.marks[(len(self.marks) - 1) // WARM_SHARE], self.marks[-1]
        return (last - first) / (done - before)
