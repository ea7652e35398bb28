"""A reader at work: writes the files that a page shows, makes its changes, types its commands and looks at what comes.

What a page shows is compared with what is printed. `…` stands for anything within a line, alone on a line for any
lines; a number before s, ms, min, h, kB, MB, GB, dB, LUFS or bpm is any number; columns may be wider or narrower. How
far a render is, which comes by the clock, may be printed beside what is shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.docs.blocks import ROOT
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docs.blocks import Block

_WRITTEN = re.compile(r"# (?P<end>at the end of )?(?P<path>[\w./-]+\.(?:toml|txt))(?: .*)?\n")
_CHANGED = re.compile(r"--- (?P<path>[\w./-]+)\n")
_VOLATILE = re.compile(r"…|(?<=\S) +(?=\S)|─+|\d[\d,.:]*(?= (?:s|ms|min|h|kB|MB|GB|dB|LUFS|bpm|dBTP)\b)")
_ANY = {"…": r"[^\n]*?", " ": " +", "─": "─+"}
_BY_THE_CLOCK = re.compile(r"^  \d+/\d+ (?:done|jobs)\b.*\n", re.MULTILINE)
_ENDS = re.compile(r"ends with (\d+)")


class Session:
    """One folder in which pages are followed."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self._home = home
        home.mkdir(parents=True, exist_ok=True)
        program = home / "bin" / "renderer"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m renderer "$@"\n')
        program.chmod(0o755)

    def follow(self, block: Block) -> list[str]:
        """Do what a block says; what came otherwise than it is shown."""
        if block.language == "toml" and (found := _WRITTEN.match(block.text)):
            # A whole file is pasted with its first line, which is a comment there, too.
            self._write(found, block.text[found.end() :] if found["end"] else block.text)
        elif block.language == "diff" and (found := _CHANGED.match(block.text)):
            return self._change(block, self.folder / found["path"], block.text[found.end() :])
        elif block.is_run:
            return [fault for command, shown in block.commands for fault in self._type(block, command, shown)]
        return []

    def _write(self, found: re.Match[str], text: str) -> None:
        path = self.folder / found["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8") + "\n" if found["end"] else ""
        path.write_text(before + text, "utf-8")

    def _change(self, block: Block, path: Path, text: str) -> list[str]:
        """Lines with a minus are there once and go, lines with a plus come in their place."""
        lines = text.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        before = path.read_text("utf-8")
        if before.count(old) != 1:
            return [f"{block.place}: {path.name} has {before.count(old)} times\n{old}"]
        path.write_text(before.replace(old, new), "utf-8")
        return []

    def _type(self, block: Block, command: str, shown: str) -> list[str]:
        where = self._home / "where"
        done = subprocess.run(
            ["bash", "-c", f'{command}\nended=$?\npwd > "{where}"\nexit $ended'],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        printed = _BY_THE_CLOCK.sub("", re.sub(r"[ \t]+$", "", done.stdout, flags=re.MULTILINE)).strip("\n")
        self.folder = type(self.folder)(where.read_text().rstrip("\n"))
        expected = int(found[1]) if (found := _ENDS.match(block.mark)) else 0
        if done.returncode != expected:
            return [f"{block.place}: `{command}` ended with {done.returncode}:\n{printed}"]
        # A command without anything below it is there to be typed: what it prints is shown nowhere.
        if shown and not is_shown(printed, shown):
            return [f"{block.place}: `{command}` printed\n{printed}\n\nin place of\n{shown}"]
        return []

    @property
    def _environment(self) -> dict[str, str]:
        """A plain machine: no terminal, no GPU, no models but the embedded ones."""
        own = {
            "PATH": f"{self._home / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self._home),
            "HF_HOME": str(self._home / "hub"),
            "XDG_CACHE_HOME": str(self._home / "cache"),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "90",
            "TZ": f"noon{datetime.now(UTC).hour - 12:+d}",  # `--until 07:00` is hours away, whenever the test runs
            "TERM": "dumb",
        }
        return {name: value for name, value in os.environ.items() if name not in {"CI", "GITHUB_ACTIONS"}} | own


def is_shown(printed: str, shown: str) -> bool:
    """Whether a page shows what was printed."""
    pattern = "".join(_line_pattern(line) for line in shown.splitlines())
    return re.fullmatch(pattern, printed + "\n") is not None


def _line_pattern(line: str) -> str:
    if line.strip() == "…":
        return r"(?:[^\n]*\n)*?"
    kept = [re.escape(piece) for piece in _VOLATILE.split(line.rstrip())]
    between = [_ANY.get(piece[0], r"\d[\d,.:]*") for piece in _VOLATILE.findall(line.rstrip())]
    return "".join(piece for pair in zip(kept, [*between, ""], strict=True) for piece in pair) + r"\n"
