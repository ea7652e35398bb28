"""A project of songs and the real `renderer watch` over it, whose lines tell when something is done."""

from __future__ import annotations

import fcntl
import os
import queue
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SPEC = """
title = "Ein Lied"
caption = "{mood} piano, {name}"
lyrics_file = "{lyrics}"
[metas]
bpm = 90
keyscale = "A minor"
timesignature = "4"
duration = {duration}
vocal_language = "en"
[inference]
shift = {shift}
thinking = {thinking}
"""
DEFAULTS = """
model = "{model}"
[inference]
inference_steps = 8
use_cot_metas = false
use_cot_caption = false
use_cot_language = false
"""


class Songs:
    """A folder of specs that share one lyric file."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.specs = folder / "specs"
        self.outputs = folder / "outputs"
        self.defaults = folder / "renderer.toml"
        self.specs.mkdir(parents=True)
        self.defaults.write_text(DEFAULTS.format(model=model), "utf-8")
        (self.specs / "words.txt").write_text("[verse]\nla la la\n", "utf-8")

    def text(
        self,
        name: str,
        *,
        mood: str = "calm",
        shift: float = 3.0,
        lyrics: str = "words.txt",
        duration: int = 10,
        thinking: str = "false",
    ) -> str:
        return SPEC.format(name=name, mood=mood, shift=shift, lyrics=lyrics, duration=duration, thinking=thinking)

    def path(self, name: str) -> Path:
        return self.specs / f"{name}.toml"

    def write(self, name: str, **values: object) -> Path:
        return self.put(self.path(name), self.text(name, **values))  # type: ignore[arg-type]

    def put(self, path: Path, text: str) -> Path:
        """Save it in one step: an opened file is empty until it is written, and a watch may look between."""
        new = self.folder / "unsaved.txt"  # which no watch cares for
        new.write_text(text, "utf-8")
        return new.replace(path)

    def remove(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink()


class Watching:
    """A running `renderer watch`; what it says is read line by line.

    One that `stands_still` sleeps while its test doesn't wait for what it says: whatever is saved between two such
    waits it finds together, however slowly it was written.
    """

    def __init__(self, folder: Path, *arguments: str, stands_still: bool = False) -> None:
        self._stands_still = stands_still
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "renderer",
                "watch",
                "--no-measure",
                *arguments,
                "--device",
                "cpu",
                "--threads",
                "1",
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def until(self, pattern: str) -> list[str]:
        """The lines up to the first that matches."""
        if not self._stands_still:
            return self._until(pattern)
        self.signal(signal.SIGCONT)
        try:
            return self._until(pattern)
        finally:
            self.signal(signal.SIGSTOP)

    def _until(self, pattern: str) -> list[str]:
        said: list[str] = []
        end = time.monotonic() + PATIENCE_SECONDS
        while not said or not re.search(pattern, said[-1]):
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no `{pattern}` after {PATIENCE_SECONDS:.0f} s in:\n" + "\n".join(said))
            if line is None:
                pytest.fail(f"the watch ended before `{pattern}`:\n" + "\n".join(said))
            said.append(line)
        return said

    def until_idle(self) -> list[str]:
        return self.until("^waiting for changes")

    @contextmanager
    def worker_held(self, *, until_told: bool = True) -> Iterator[None]:
        """The worker stands still, so that what happens meanwhile happens during its job, on any machine.

        Until it was told something; for three seconds in which it might have been, where nothing is to be told or
        nobody can see that it was.
        """
        (worker,) = self.workers()
        worker.suspend()
        try:
            before = _unread(worker)
            yield
            end = time.monotonic() + (PATIENCE_SECONDS if until_told and sys.platform == "linux" else 3.0)
            while _unread(worker) == before and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            worker.resume()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def ended(self) -> tuple[int, list[str]]:
        """The exit code, and what was said until the end."""
        code = self._process.wait(PATIENCE_SECONDS)
        self._reader.join()
        said = []
        while (line := self._lines.get()) is not None:
            said.append(line)
        return code, said

    def workers(self) -> list[psutil.Process]:
        """The worker, if there is one."""
        return [one for one in psutil.Process(self.pid).children() if "renderer.run.worker" in _command(one)]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it ended just now
        return []


def _unread(process: psutil.Process) -> int:
    """The bytes that wait in a process's standard input, where the system tells."""
    if sys.platform != "linux":
        return 0
    pipe = os.open(f"/proc/{process.pid}/fd/0", os.O_RDONLY | os.O_NONBLOCK)
    try:
        (number,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
        return int(number)
    finally:
        os.close(pipe)


def all_end(processes: Iterable[psutil.Process]) -> bool:
    """Whether they do, however long the system takes to bury those that were killed."""
    return not psutil.wait_procs(list(processes), timeout=PATIENCE_SECONDS)[1]


def rendered(lines: list[str]) -> list[str]:
    """The takes that these lines tell were rendered, in order."""
    return [found[1] for line in lines if (found := re.match(r"rendered [^/]+/(\S+)\.flac ", line))]


def stages(lines: list[str]) -> dict[str, list[str]]:
    """Take -> the stages that these lines tell were run for it."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if match := re.match(r"  (\S+)(?: \+\d+)? (\w+): done in", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Songs:
    """The project of `running`."""
    return Songs(tmp_path_factory.mktemp("hasty") / "project", tiny_set)


@pytest.fixture(scope="session")
def running(hasty: Songs) -> Iterator[Watching]:
    """A watch that waits for quiet a moment only: for tests whose edits are one write each."""
    hasty.write("vier")
    with Watching(hasty.folder, "--quiet", "20") as watching:
        watching.until_idle()
        yield watching
