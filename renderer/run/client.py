"""The parent's end of the worker: start, send, read, end. Knows messages, not what they are for."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, Self

from renderer.errors import WorkerDied
from renderer.processes import SAFE_FOLDER, inherited, python
from renderer.run.wire import receive, send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.models.family import Settings

_WAITING_EVENTS = 2  # ten minutes of sound are 230 MB: the worker waits rather than fill the parent
_ROOM_SECONDS = 0.1
_PIPE_BYTES = 1 << 20  # what Linux gives to everyone
_UNHEARD = ("DIFFUSERS_ATTN_BACKEND",)
"""Variables that would change a take's bytes without being part of its key."""
_HEAP = {
    # glibc returns each large activation to the system and faults it in anew for the next: most of the VAE's time on a
    # CPU. Weights that are dropped go back by `devices.release`. Whoever sets these is heeded.
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}


class WorkerClient:
    """One worker process; a context manager, and nothing survives it."""

    def __init__(self, settings: Settings, log_path: Path, *, module: str = "renderer.run.worker") -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_path = log_path
        # Anew: a link in its place leads to what is not ours.
        log_path.unlink(missing_ok=True)
        with log_path.open("xb") as log:
            self._process = subprocess.Popen(
                python("-m", module),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=SAFE_FOLDER,
                env=_environment(settings),
                # Ctrl-C goes to the parent alone, which then ends the worker in good order.
                start_new_session=True,
            )
        _widen(self._process.stdout)
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue(maxsize=_WAITING_EVENTS)
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

    def send(self, message: Mapping[str, Any]) -> None:
        """One command to the worker.

        Raises: WorkerDied when it is gone.
        """
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise self._death()
        try:
            send(stdin, message)
        except OSError as error:
            raise self._death() from error

    def event(self, timeout_seconds: float | None = None) -> dict[str, Any] | None:
        """The worker's next event, or None after the time is up.

        Raises: WorkerDied when it is gone.
        """
        try:
            event = self._events.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if event is None:
            raise self._death()
        return event

    def end(self) -> None:
        """End the process, at once."""
        self._ended.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def last_words(self) -> str:
        """The end of what the process wrote to standard error."""
        with contextlib.suppress(OSError):
            return self._log_path.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
        return ""

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - opened as a pipe above
        with contextlib.suppress(OSError, ValueError):
            while (event := receive(stdout)) is not None:
                self._pass_on(event)
        self._pass_on(None)

    def _pass_on(self, event: dict[str, Any] | None) -> None:
        """Wait until there is room for it, or nobody to read it any more."""
        while not self._ended.is_set():
            with contextlib.suppress(queue.Full):
                self._events.put(event, timeout=_ROOM_SECONDS)
                return

    def _death(self) -> WorkerDied:
        self.end()
        code = self._process.returncode
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return WorkerDied(
            f"the worker process ended ({cause})",
            why=self.last_words().rpartition("\n")[2],
            help=f"its last words are in {self._log_path.name}; out of memory is the usual cause of SIGKILL",
        )


def _widen(pipe: IO[bytes] | None) -> None:
    """Let the pipe hold more than 64 KB where that can be asked for: three minutes of sound take a third less time."""
    if pipe and sys.platform == "linux":
        import fcntl  # noqa: PLC0415 - exists on POSIX only

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _environment(settings: Settings) -> dict[str, str]:
    threads = str(settings.threads)
    heard = {name: value for name, value in inherited().items() if name not in _UNHEARD}
    return (
        _HEAP
        | heard
        | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
        }
    )
