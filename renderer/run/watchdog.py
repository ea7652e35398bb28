"""How long a worker may say nothing before it hangs: by what its jobs ask for, then by the pace they showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import WorkerDied
from renderer.facts import MAX_DURATION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.plan.jobs import Job
    from renderer.run.client import WorkerClient


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

    def silence(self, last: str, jobs: Iterable[Job]) -> Silence:
        """The limit for one command to the worker, which ends with the event `last`."""
        if last != "ended":
            return Silence(limit_seconds=self.loading_seconds, doing="loading")
        longest = max(job.asked_seconds for job in jobs) or MAX_DURATION
        limit = self.least_seconds + self.per_second * longest
        return Silence(limit_seconds=limit, doing="its stage", factor=self.pace_factor)


@dataclass(slots=True, kw_only=True)
class Silence:
    """The limit now, and what was heard so far."""

    limit_seconds: float
    doing: str
    factor: float = 0.0

    def broken_after(self, seconds: float) -> None:
        """A sign of life came; a slow pace earns more time."""
        self.limit_seconds = max(self.limit_seconds, self.factor * seconds)

    def check(self, client: WorkerClient, seconds: float) -> None:
        """Raises: WorkerDied, after ending the worker, when the silence has lasted too long."""
        if seconds <= self.limit_seconds:
            return
        client.end()
        raise WorkerDied(
            f"the worker said nothing for {seconds:.0f} s and was ended",
            why=f"{self.doing} hangs",
            help="if it happens again, try --device cpu or a shorter song to find the cause",
        )
