"""Workers on the nodes of a Ray cluster, each spoken for by a process here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.processes import python
from renderer.run.local import LocalPool
from renderer.run.messages import Placed, RunJobs
from renderer.run.ray_link import AUTO, require_ray

if TYPE_CHECKING:
    from renderer.errors import WorkerDied
    from renderer.run.executor import ExecutorConfig
    from renderer.run.messages import Command, Event

_ENDING_SECONDS = 8.0


class RayPool(LocalPool):
    """See `WorkerPool`. Where a node shares the folder of results, large arrays go by it, and else by the cluster."""

    grace_seconds = _ENDING_SECONDS
    """For a worker elsewhere to be gone before what it was to write is cleared away."""

    def __init__(self, config: ExecutorConfig) -> None:
        """Raises: UsageError without Ray."""
        require_ray()
        super().__init__(config)
        self._module = config.module
        self._address = config.cluster or AUTO
        self._apart: set[int] = set()
        """Workers whose nodes don't see the folder of results."""

    def send(self, worker: int, command: Command) -> None:
        """See `WorkerPool.send`."""
        if isinstance(command, RunJobs) and worker in self._apart:
            command = replace(command, spool="")
        super().send(worker, command)

    def next(self, timeout_seconds: float) -> tuple[int, Event | WorkerDied] | None:
        """See `WorkerPool.next`."""
        said = super().next(timeout_seconds)
        match said:
            case (worker, Placed(shares_folder=shares)):
                (self._apart.discard if shares else self._apart.add)(worker)
                return None
        return said

    def _command_of(self, worker: int) -> list[str]:
        one = self.settings[worker]
        gpus = int(one.device.startswith("cuda"))
        folder = self._log.parent.absolute()
        proxy = ("-m", "renderer.run.ray_proxy", self._address, self._module, str(one.threads), str(gpus), str(folder))
        return python(*proxy)
