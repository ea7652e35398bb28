"""Plans carried out by the workers of a pool, wherever that has them."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from renderer.run.driver import Assignment, drive
from renderer.run.messages import ImportFamily
from renderer.run.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renderer.plan.jobs import Job, Plan
    from renderer.run.driver import WorkerPool
    from renderer.run.events import RunEvent
    from renderer.run.executor import ExecutorConfig
    from renderer.run.sink import Sink


class PoolExecutor:
    """See `Executor`."""

    def __init__(self, pool: WorkerPool, config: ExecutorConfig) -> None:
        self.pool = pool
        self._residency, self._expected = config.residency, config.expected
        self._watchdog = config.watchdog or Watchdog()
        self._run_by: int | None = None
        """The thread that carries a plan out."""

    @property
    def pids(self) -> tuple[int, ...]:
        """See `Executor.pids`."""
        return self.pool.pids

    def warm(self, family: str) -> None:
        """See `Executor.warm`."""
        with suppress(OSError):
            for worker in range(len(self.pool.settings)):
                self.pool.send(worker, ImportFamily(family=family))

    def run(self, plan: Plan, *, sink: Sink, is_wanted: Callable[[Job], bool]) -> Iterator[RunEvent]:
        """See `Executor.run`."""
        self._run_by = threading.get_ident()
        try:
            yield from drive(
                Assignment(
                    plan=plan,
                    pool=self.pool,
                    residency=self._residency,
                    watchdog=self._watchdog,
                    expected=self._expected,
                    sink=sink,
                    is_wanted=is_wanted,
                )
            )
        finally:
            self._run_by = None

    def end(self) -> None:
        """See `Executor.end`."""
        if self._run_by not in {None, threading.get_ident()}:
            # The run has to hear that they died: to one taken from under it, it would speak and so start another.
            self.pool.kill()
            return
        for worker in range(len(self.pool.settings)):
            self.pool.end(worker)
