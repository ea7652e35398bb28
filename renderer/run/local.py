"""Workers as processes on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.models.device import MLX
from renderer.processes import python
from renderer.run.messages import LoadPart
from renderer.run.process import Inbox, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.errors import WorkerDied
    from renderer.run.executor import ExecutorConfig
    from renderer.run.messages import Command, Event


class LocalPool:
    """A process for each of the settings; see `WorkerPool`."""

    grace_seconds = 0.0
    """For a worker to end by itself before it is killed."""

    def __init__(self, config: ExecutorConfig, *, prefix: Sequence[str] = ()) -> None:
        """`prefix` is the command that a worker's follows: `nice -n 19`."""
        self.settings = tuple(config.settings)
        self._log = config.log
        self._command = (*prefix, *python("-m", config.module))
        self._inbox = Inbox(len(self.settings))
        self._processes: dict[int, WorkerProcess] = {}
        self._devices: dict[int, str] = {}
        """Of the part that each worker loaded last."""

    @property
    def pids(self) -> tuple[int, ...]:
        """See `WorkerPool.pids`."""
        return tuple(process.pid for process in self._processes.values())

    def send(self, worker: int, command: Command) -> None:
        """See `WorkerPool.send`. Raises: OSError when no process can be started."""
        if isinstance(command, LoadPart):
            self._part_mlx_and_metal(worker, command.settings.of(command.part.part).device)
        if worker not in self._processes:
            log = self._log if worker == 0 else self._log.with_stem(f"{self._log.stem}-{worker + 1}")
            self._processes[worker] = WorkerProcess(self.settings[worker], log, self._inbox, self._command_of(worker))
        self._processes[worker].send(command)

    def _part_mlx_and_metal(self, worker: int, device: str) -> None:
        """End a worker that comes from MLX to another device, or to it."""
        before = self._devices.get(worker, device)
        # Both in one process have crashed (sgl-project/sglang-omni#2085).
        if before != device and MLX in {before, device}:
            self.end(worker)
        self._devices[worker] = device

    def next(self, timeout_seconds: float) -> tuple[int, Event | WorkerDied] | None:
        """See `WorkerPool.next`."""
        message = self._inbox.next(timeout_seconds)
        # The last words of a process that was ended came late: they are nobody's.
        owners = (worker for worker, process in self._processes.items() if message and message[0] is process)
        worker = next(owners, None)
        return (worker, message[1]) if message and worker is not None else None

    def kill(self) -> None:
        """See `WorkerPool.kill`."""
        for process in tuple(self._processes.values()):
            process.kill()

    def end(self, worker: int) -> None:
        """See `WorkerPool.end`."""
        if worker in self._processes:
            self._processes.pop(worker).end(self.grace_seconds)

    def _command_of(self, worker: int) -> Sequence[str]:
        del worker
        return self._command
