"""`renderer watch` on a pseudo-terminal, with an edit made under its eyes -> a recording."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Self

import pyte

from docs.pictures.program import command, environment, make_project
from docs.pictures.svg import Frame, recording

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS, _LINES = 84, 16
_PATIENCE_SECONDS = 180.0
_LONGEST_STILL = 1.2  # seconds that a frame is shown, however long nothing moved
_READ_SECONDS = 2.5  # of the first and the last one, for whoever reads
_STILL = "waiting for changes"
_OLD, _NEW = "con su manera de contar", "con su manera de cantar"


def record_watch(folder: Path) -> bytes:
    """Starts with everything done, saves a line of the lyrics, ends when it is rendered."""
    project = make_project(folder / "songs")
    frames: list[Frame] = []
    spec = project / "specs" / "puerto.toml"
    with Terminal(project, "watch", "--preview", "10", "--first-seed", "--no-measure") as terminal:
        terminal.until(_STILL, frames)
        frames[:] = [Frame(rows=frames[-1].rows, seconds=_READ_SECONDS, words="")]
        words = f"saved: specs/puerto.toml   “{_OLD}” → “{_NEW}”"
        spec.write_text(spec.read_text("utf-8").replace(_OLD, _NEW), "utf-8")
        terminal.until("\nrendering", frames, words)
        terminal.until(_STILL, frames, words)
    frames[-1] = Frame(rows=frames[-1].rows, seconds=_READ_SECONDS, words=words)
    return recording(frames, columns=_COLUMNS, title="renderer watch --preview 10").encode()


class Terminal:
    """The program on a terminal that is read into frames."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - nothing of ours runs threads here
            start_new_session=True,
        )
        os.close(theirs)
        self._screen = pyte.Screen(_COLUMNS, _LINES)
        self._stream = pyte.ByteStream(self._screen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._ours)

    def until(self, words_on_it: str, frames: list[Frame], words: str = "") -> None:
        """Read until these words are on the screen; what is seen on the way goes to `frames`.

        Raises: SystemExit when it takes too long.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        seen_at = time.monotonic()
        while time.monotonic() < end:
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self._stream.feed(os.read(self._ours, 65_536))
                except OSError:  # so Linux tells that the program has ended
                    break
                continue  # a redraw comes in pieces: what stands between them is never seen
            rows = _rows(self._screen)
            if not frames or rows != frames[-1].rows:
                now = time.monotonic()
                if frames:
                    frames[-1] = frames[-1].lasting(min(now - seen_at, _LONGEST_STILL))
                frames.append(Frame(rows=rows, seconds=_LONGEST_STILL, words=words))
                seen_at = now
            if words_on_it in "\n".join(self._screen.display):
                return
        raise SystemExit("\n".join(self._screen.display))


def _take_terminal() -> None:
    """Make it the process's own, so that keys are pressed on it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _rows(screen: pyte.Screen) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Row by row, runs of one style: (style, text)."""
    return tuple(
        _runs([screen.buffer[line][column] for column in range(screen.columns)]) for line in range(screen.lines)
    )


def _runs(cells: list[pyte.screens.Char]) -> tuple[tuple[str, str], ...]:
    runs: list[tuple[str, str]] = []
    for cell in cells:
        style = " ".join(filter(None, (f"c-{cell.fg}" if cell.fg != "default" else "", "b" if cell.bold else "")))
        if runs and runs[-1][0] == style:
            runs[-1] = (style, runs[-1][1] + cell.data)
        else:
            runs.append((style, cell.data))
    while runs and not runs[-1][0] and not runs[-1][1].strip():
        runs.pop()
    return tuple(runs)
