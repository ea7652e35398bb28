"""Which jobs run next, and which again: alone after a failure, not at all after ending a worker twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.errors import RendererError, WorkerDied
    from renderer.plan.jobs import Job

MOST_DEATHS = 2


@dataclass(slots=True)
class Attempt:
    """How far a batch of jobs came."""

    resident: bool = False
    """Whether their part was loaded."""
    started: dict[str, float] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    failed: dict[str, RendererError] = field(default_factory=dict)
    unkept: list[Job] = field(default_factory=list)
    """Those that came and can't be kept, of earlier batches too; also among the failed."""
    died: WorkerDied | None = None
    broken: RendererError | None = None


class Queue:
    """The jobs of a stage still to run, and which of them ended a worker before."""

    def __init__(self, jobs: Sequence[Job], *, window: int) -> None:
        self._waiting = list(jobs)
        self._alone: list[Job] = []
        self._window = window
        self._deaths: Counter[str] = Counter()
        self._deaths_while_loading = 0

    def take(self) -> list[Job]:
        """The next jobs to run together; suspects run alone."""
        if self._alone:
            return [self._alone.pop(0)]
        batch, self._waiting = self._waiting[: self._window], self._waiting[self._window :]
        return batch

    def settle(
        self, batch: Sequence[Job], left: Sequence[Job], attempt: Attempt
    ) -> Iterator[tuple[Job, RendererError]]:
        """Put back what may run again of the unfinished jobs; yields those that are given up, with the cause."""
        if attempt.broken:
            yield from self._give_up_all(left, attempt.broken)
            return
        for job in left:
            if job.key in attempt.failed and list(batch) == [job]:
                yield job, attempt.failed[job.key]
            elif job.key in attempt.failed:
                self._alone.append(job)
        unfinished = [job for job in left if job.key not in attempt.failed]
        if attempt.died:
            yield from self._settle_death(unfinished, attempt, attempt.died)

    def _settle_death(
        self, left: Sequence[Job], attempt: Attempt, died: WorkerDied
    ) -> Iterator[tuple[Job, RendererError]]:
        self._deaths_while_loading = 0 if attempt.resident else self._deaths_while_loading + 1
        if self._deaths_while_loading >= MOST_DEATHS:
            yield from self._give_up_all(left, died)
            return
        if not attempt.resident:
            self._waiting = [*left, *self._waiting]
            return
        # Without a sign of life the first one is suspected: jobs run in the order they were sent.
        suspects = [job for job in left if job.key in attempt.started] or list(left[:1])
        self._waiting = [job for job in left if job not in suspects] + self._waiting
        for job in suspects:
            self._deaths[job.key] += 1
            if self._deaths[job.key] >= MOST_DEATHS:
                yield job, died
            else:
                self._alone.append(job)

    def _give_up_all(self, left: Sequence[Job], error: RendererError) -> Iterator[tuple[Job, RendererError]]:
        for job in (*left, *self._alone, *self._waiting):
            yield job, error
        self._waiting, self._alone = [], []
