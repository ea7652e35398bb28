"""How long a worker may say nothing before it hangs: by what its jobs ask for, then by the pace they showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import WorkerDied

MOST_SECONDS = 600.0  # what ACE-Step makes at most

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.plan.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """The limits, generous: a slow processor with a large model is no fault."""

    least_seconds: float = 300.0
    per_second: float = 5.0
    """Seconds more for each second of the longest song asked for: one step of an XL DiT on a CPU takes minutes."""
    pace_factor: float = 50.0
    """How many times its own longest pause a stage may pause."""
    loading_seconds: float = 3600.0
    """For reading weights, say 20 GB over a slow network: between two components nothing is heard."""

    def of_loading(self) -> Silence:
        """For a part that is examined or loaded."""
        return Silence(limit_seconds=self.loading_seconds, doing="loading")

    def of_running(self, jobs: Iterable[Job]) -> Silence:
        """For jobs that run."""
        longest = max(job.asked_seconds for job in jobs) or MOST_SECONDS
        limit = self.least_seconds + self.per_second * longest
        return Silence(limit_seconds=limit, doing="its stage", factor=self.pace_factor)


@dataclass(slots=True, kw_only=True)
class Silence:
    """How long a worker has said nothing, and how long it may.

    Only time in which somebody listened counts: what the parent's disk and listeners take is not the worker's silence.
    """

    limit_seconds: float
    doing: str
    factor: float = 0.0
    seconds: float = 0.0

    def lasts(self, seconds: float) -> None:
        """Somebody listened so long."""
        self.seconds += seconds

    def ends(self) -> None:
        """A sign of life came; a slow pace earns more time."""
        self.limit_seconds = max(self.limit_seconds, self.factor * self.seconds)
        self.seconds = 0.0

    @property
    def fault(self) -> WorkerDied | None:
        """What to say of a worker that has to be ended."""
        if self.seconds <= self.limit_seconds:
            return None
        return WorkerDied(
            f"the worker said nothing for {self.seconds:.0f} s and was ended",
            why=f"{self.doing} hangs",
            help="if it happens again, try --device cpu or a shorter song to find the cause",
        )
