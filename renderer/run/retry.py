"""Which jobs of a stage run next, and which again: alone after a failure, not at all after ending a worker twice."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from renderer.plan.jobs import Job

MOST_DEATHS = 2


class RetryQueue:
    """The jobs of a stage that are still to run, in batches."""

    def __init__(self, batches: Iterable[Sequence[Job]]) -> None:
        self._waiting = deque(tuple(batch) for batch in batches)
        self._alone: deque[Job] = deque()
        self._deaths: Counter[str] = Counter()

    @property
    def waiting(self) -> Iterator[tuple[Job, ...]]:
        """What may run next, each to run together; suspects run alone, and first."""
        yield from ((job,) for job in self._alone)
        yield from self._waiting

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All that wait."""
        return tuple(job for batch in self.waiting for job in batch)

    def take(self, batch: tuple[Job, ...]) -> tuple[Job, ...]:
        """One of those that are `waiting`, which wait no longer."""
        if len(batch) == 1 and batch[0] in self._alone:
            self._alone.remove(batch[0])
        else:
            self._waiting.remove(batch)
        return batch

    def take_all(self) -> tuple[Job, ...]:
        """Everything that waits, to be given up."""
        left = self.jobs
        self._alone.clear()
        self._waiting.clear()
        return left

    def again(self, jobs: Sequence[Job]) -> None:
        """Put back what never began."""
        # In front, and as one batch: they run as they would have, though their company is smaller.
        if jobs:
            self._waiting.appendleft(tuple(jobs))

    def again_alone(self, job: Job) -> None:
        """Put back what failed in company: alone it may do better."""
        self._alone.append(job)

    def may_try_again(self, job: Job) -> bool:
        """Whether a job that a worker died of runs once more, alone; it is put back then."""
        # Alone, so that a second death has one cause; it is the last, or one job could keep a night's batch up.
        self._deaths[job.key] += 1
        if self._deaths[job.key] >= MOST_DEATHS:
            return False
        self._alone.append(job)
        return True
