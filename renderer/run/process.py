"""The parent's end of a worker: start, send, hear, end. Knows messages, not what they are for."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Self, cast

from renderer.errors import NodeLost, WorkerDied
from renderer.processes import SAFE_FOLDER, inherited
from renderer.run.wire import receive, send

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from renderer.models.model_files import Settings
    from renderer.run.messages import Command, Event

_WAITING_EVENTS = 2  # of each worker; ten minutes of sound are 230 MB: it waits rather than fill the parent
_ROOM_SECONDS = 0.1
NODE_LOST = 75
"""Exit code of who speaks for a worker elsewhere, where that place is gone."""
_LEFT_OUT = ("DIFFUSERS_ATTN_BACKEND",)
"""Variables that would change a take's bytes without being part of its key."""
_HEAP = {
    # glibc returns each large activation to the system and faults it in anew for the next: most of the VAE's time on a
    # CPU. Weights that are dropped go back by `devices.release`. Whoever sets these is heeded.
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
_WAITING = {
    # A thread that waits for the others of its team spins, by default for milliseconds: where another program has one
    # of the cores, for its whole slice, thousands of times a second of work. Heeded by libgomp and LLVM's libomp alike,
    # and only at their start: so it is set here and not by the worker. Where a thread waits changes no bits.
    "OMP_WAIT_POLICY": "passive",
    # libgomp alone: some microseconds of turns before it sleeps catch most waits of an idle machine, which sleeping at
    # once made 6 % slower, and cost a busy one nothing that can be measured (`tests/bench/waiting.py`).
    "GOMP_SPINCOUNT": "1000",
}


class Inbox:
    """What workers say, in the order it came, and last of each that it died; holds few at a time."""

    def __init__(self, num_workers: int = 1) -> None:
        self._queue: queue.Queue[tuple[WorkerProcess, Event | WorkerDied]] = queue.Queue(_WAITING_EVENTS * num_workers)

    def next(self, timeout_seconds: float | None = None) -> tuple[WorkerProcess, Event | WorkerDied] | None:
        """Who says what, or None after the time is up."""
        try:
            return self._queue.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def put(self, sender: WorkerProcess, event: Event | WorkerDied) -> None:
        """Wait until there is room for it, or nobody to read it any more."""
        while not sender.ended:
            with contextlib.suppress(queue.Full):
                self._queue.put((sender, event), timeout=_ROOM_SECONDS)
                return


class WorkerProcess:
    """One worker; a context manager, and nothing survives it."""

    def __init__(self, settings: Settings, log_path: Path, inbox: Inbox, command: Sequence[str]) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_path = log_path
        self._inbox = inbox
        # Anew: a link in its place leads to what is not ours.
        log_path.unlink(missing_ok=True)
        with log_path.open("xb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=SAFE_FOLDER,
                env=worker_environment(settings.threads),
                # Ctrl-C goes to the parent alone, which then ends the worker in good order.
                start_new_session=True,
            )
        self._ended = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether `end` was called: what it said then interests nobody."""
        return self._ended.is_set()

    def send(self, command: Command) -> None:
        """One command to the worker; that it is gone is told by the inbox."""
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - opened as a pipe above
        with contextlib.suppress(OSError, ValueError):  # ValueError: `end` closed it
            send(stdin, command)

    def kill(self) -> None:
        """Kill the process; that it died is told by the inbox."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self, grace_seconds: float = 0.0) -> None:
        """End the process, at once or where it doesn't by itself in the time that is given."""
        self._ended.set()
        if grace_seconds:
            self._let_end(grace_seconds)
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _let_end(self, seconds: float) -> None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait(seconds)

    def last_words(self) -> str:
        """The end of what the process wrote to standard error."""
        with contextlib.suppress(OSError):
            return self._log_path.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
        return ""

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - opened as a pipe above
        fault = ""
        try:
            while (event := receive(stdout)) is not None:
                self._inbox.put(self, cast("Event", event))
        except (OSError, ValueError) as error:  # ValueError: `end` closed it
            fault = f"what it gave can't be read: {error}"
        if not self.ended:
            self._inbox.put(self, self._death(fault))

    def _death(self, fault: str) -> WorkerDied:
        # It has closed its end, or gave what can't be read: either way it is of no use any more.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        kind = NodeLost if code == NODE_LOST else WorkerDied
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return kind(
            f"the worker process ended ({cause})",
            why=fault or self.last_words().rpartition("\n")[2],
            help=f"its last words are in {self._log_path}{_usual_cause(code)}",
        )


def _usual_cause(code: int) -> str:
    return "; out of memory is the usual cause of SIGKILL" if code == -signal.SIGKILL else ""


def worker_environment(num_threads: int) -> dict[str, str]:
    """The variables of a worker on this machine."""
    threads = str(num_threads)
    passed_on = {name: value for name, value in inherited().items() if name not in _LEFT_OUT}
    return (
        _HEAP
        | ({} if _WAITING.keys() & passed_on.keys() else _WAITING)  # one without the other would say the opposite
        | passed_on
        | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
        }
    )
