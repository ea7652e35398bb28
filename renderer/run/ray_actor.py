"""A worker process on a node of a Ray cluster, spoken to in bytes. Imported on that node, and by who asks for it.

Ray carries bytes, numbers and texts of ours; what the bytes mean is the wire's business, and decoded by us alone.
"""

from __future__ import annotations

import os
import platform
import select
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import ray

from renderer.processes import SAFE_FOLDER, python
from renderer.run.process import worker_environment

CHUNK_BYTES = 4 << 20
"""That travel at once: a result of ten minutes, 230 MB, never lies in Ray's memory as a whole."""
_WAIT_SECONDS = 1.0
_WORDS = 2000
_ENDING_SECONDS = 3.0


class HostedWorker:
    """The worker's keeper: it lives as long as who asked for it, and the worker as long as its keeper."""

    def __init__(self, module: str, threads: int) -> None:
        """Start `python -m module` with so many threads; of GPUs it sees those that Ray gave this actor."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            python("-m", module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=SAFE_FOLDER,
            env=worker_environment(threads),
            start_new_session=True,
        )

    def place(self, marker: str) -> tuple[str, bool]:
        """The node's name, and whether the file that was just made where the driver runs is seen from here."""
        return platform.node(), Path(marker).exists()

    @ray.method(concurrency_group="reading")  # type: ignore[untyped-decorator]
    def read(self) -> bytes | None:
        """What the worker said: some bytes, none after a moment without a word; None once it has closed its end."""
        pipe = self._process.stdout
        assert pipe is not None  # noqa: S101 - opened as a pipe above
        ready, _, _ = select.select([pipe], [], [], _WAIT_SECONDS)
        return (os.read(pipe.fileno(), CHUNK_BYTES) or None) if ready else b""

    @ray.method(concurrency_group="writing")  # type: ignore[untyped-decorator]
    def write(self, chunk: bytes) -> None:
        """Say it to the worker; that it is gone, `read` tells."""
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - opened as a pipe above
        with suppress(OSError, ValueError):
            pipe.write(chunk)
            pipe.flush()

    def end(self) -> tuple[int, str]:
        """End the worker; its exit code, below 0 a signal's, and its last words."""
        assert self._process.stdin is not None  # noqa: S101 - opened as a pipe above
        with suppress(OSError, ValueError):
            # It then takes away what it wrote for nobody; and one that is about to die does so of its own cause.
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self._log.seek(0)
        return code, self._log.read().decode(errors="replace")[-_WORDS:]
