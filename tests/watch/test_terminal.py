"""The watch on a terminal: keys, screen, and how it ends; a real process on a real pseudo-terminal."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.watch.conftest import Songs, all_end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CUT = re.compile(r"(?:\x1b(?:\[[0-9;?]*)?)?$")


class Terminal:
    """`renderer watch` on a terminal 100 columns wide, with what it draws as text."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (40, 100))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "renderer", "watch", *arguments, "--device", "cpu", "--threads", "1"],
            cwd=folder,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm-256color", "BROWSER": "true"},
            preexec_fn=_take_terminal,  # noqa: PLW1509 - nothing of ours runs threads here
            start_new_session=True,
        )
        self._drawn = self._cut = ""
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self.slave)

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def until(self, pattern: str) -> str:
        """What was drawn up to the first match, which isn't looked at again."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(pattern, self._drawn)):
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                pytest.fail(f"no `{pattern}` in:\n{self._drawn[-3000:]}")
            drawn = self._cut + self._decode(os.read(self._master, 65536))
            # What is read may end in the midst of a sign or of what sets its colour.
            self._cut = CUT.search(drawn)[0]  # type: ignore[index]
            self._drawn += CONTROL.sub("", drawn.removesuffix(self._cut))
        before, self._drawn = self._drawn[: found.end()], self._drawn[found.end() :]
        return before

    def until_rendered(self) -> None:
        # One after the other: a pattern for both looks through all that was drawn again at each picture.
        self.until("rendering")
        self.until("waiting for changes: 1 rendered")

    def end(self) -> int:
        """Read until it ends."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < end
            if select.select([self._master], [], [], 0.1)[0]:
                os.read(self._master, 65536)
        return self.process.returncode


def _take_terminal() -> None:
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Songs:
    songs = Songs(tmp_path_factory.mktemp("terminal") / "project", tiny_set)
    songs.write("eins", duration=20)
    songs.write("zwei", duration=20)
    return songs


@pytest.fixture(scope="module")
def terminal(project: Songs) -> Iterator[Terminal]:
    with Terminal(project.folder, "--preview", "10") as terminal:
        terminal.until("waiting for changes")
        yield terminal


def test_the_screen_shows_songs_states_and_faults(project: Songs, terminal: Terminal) -> None:
    project.put(project.path("eins"), "title = ")
    broken = terminal.until(r"waiting for changes: 1 file with errors")
    project.write("eins", duration=20)
    terminal.until(r"waiting for changes: nothing to render")
    terminal.press("x")

    assert "error[toml-syntax]" in broken
    assert re.search(r"eins +1 +its file has errors", broken)
    assert re.search(r"zwei +1 +done", broken)


def test_f_renders_what_was_edited_in_full_length(project: Songs, terminal: Terminal) -> None:
    project.write("zwei", duration=20, mood="wild")
    terminal.until_rendered()

    terminal.press("f")
    terminal.until("full length: zwei")
    terminal.until_rendered()

    assert sorted(path.name for path in project.outputs.glob("*/*.flac")) == [
        "eins.s0.preview10.flac",
        "zwei.s0.flac",
        "zwei.s0.preview10.flac",
    ]


def test_r_makes_what_was_deleted_again(project: Songs, terminal: Terminal) -> None:
    (project.outputs / "eins" / "eins.s0.preview10.flac").unlink()

    terminal.press("r")
    terminal.until_rendered()

    assert (project.outputs / "eins" / "eins.s0.preview10.flac").exists()


def test_q_ends_it_and_leaves_terminal_and_process_table_as_they_were(terminal: Terminal) -> None:
    children = psutil.Process(terminal.process.pid).children(recursive=True)
    assert children
    terminal.press("q")

    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert all_end(children)
