"""Workers as processes on this machine."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from renderer.models.family import Residency
from renderer.run.driver import drive
from renderer.run.messages import ImportFamily
from renderer.run.process import Inbox, WorkerProcess
from renderer.run.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from renderer.errors import WorkerDied
    from renderer.models.family import Settings
    from renderer.plan.jobs import Job, Plan
    from renderer.run.events import RunEvent
    from renderer.run.messages import Command, Event
    from renderer.run.sink import Sink


class LocalPool:
    """A process for each of the settings; see `WorkerPool`."""

    def __init__(self, settings: Sequence[Settings], log: Path, module: str) -> None:
        self.settings = tuple(settings)
        self._log = log
        self._module = module
        self._inbox = Inbox(len(self.settings))
        self._processes: dict[int, WorkerProcess] = {}

    @property
    def pids(self) -> tuple[int, ...]:
        """The numbers of the processes there are."""
        return tuple(process.pid for process in self._processes.values())

    def send(self, worker: int, command: Command) -> None:
        """See `WorkerPool.send`. Raises: OSError when no process can be started."""
        if worker not in self._processes:
            log = self._log if worker == 0 else self._log.with_stem(f"{self._log.stem}-{worker + 1}")
            self._processes[worker] = WorkerProcess(self.settings[worker], log, self._inbox, module=self._module)
        self._processes[worker].send(command)

    def next(self, timeout_seconds: float) -> tuple[int, Event | WorkerDied] | None:
        """See `WorkerPool.next`."""
        message = self._inbox.next(timeout_seconds)
        # The last words of a process that was ended came late: they are nobody's.
        owners = (worker for worker, process in self._processes.items() if message and message[0] is process)
        worker = next(owners, None)
        return (worker, message[1]) if message and worker is not None else None

    def kill(self) -> None:
        """Kill every process from another thread than the one that listens, which `next` then tells of their death."""
        for process in tuple(self._processes.values()):
            process.kill()

    def end(self, worker: int) -> None:
        """See `WorkerPool.end`."""
        if worker in self._processes:
            self._processes.pop(worker).end()


class LocalExecutor:
    """See `Executor`."""

    def __init__(
        self,
        settings: Sequence[Settings],
        log: Path,
        residency: Residency = Residency.ALONE,
        *,
        watchdog: Watchdog | None = None,
        module: str = "renderer.run.worker",
    ) -> None:
        self.pool = LocalPool(settings, log, module)
        self._residency = residency
        self._watchdog = watchdog or Watchdog()
        self._run_by: int | None = None
        """The thread that carries a plan out."""

    @property
    def running(self) -> bool:
        """See `Executor.running`."""
        return bool(self.pool.pids)

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
                plan, self.pool, residency=self._residency, watchdog=self._watchdog, sink=sink, is_wanted=is_wanted
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
