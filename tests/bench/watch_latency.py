"""Benchmark: how soon a saved edit is heard, through the real `renderer watch` with the embedded model.

    python -m tests.bench.watch_latency FOLDER [THREADS]

Edits the shift of 30-second takes, first right after the start (nothing is loaded yet), then with the models warm.
Prints a table; writes watch_latency.json into FOLDER. Processor seconds (watch and worker together) are told too: on a
machine that others use, they say more than the clock does.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psutil

SONGS = ("one", "two", "three", "four")
SHIFTS = (2.0, 1.0)  # after 3.0: those that turbo checkpoints are distilled for
SECONDS = 30
SPEC = '''
caption = "calm piano, brushed drums, {song}"
lyrics = """
[verse]
A light in the harbour
"""
seeds = [1]
[metas]
bpm = 90
keyscale = "A minor"
timesignature = "4"
duration = {seconds}
vocal_language = "en"
[inference]
shift = {shift}
'''
MOMENTS = {
    "first progress line": r"  (?P<song>\w+)\.s1 latents: ",
    "latents": r"  (?P<song>\w+)\.s1 latents: done",
    "audio on disk": r"rendered (?P<song>\w+)/",
    "in the report": r"report: .*",
}
"""What happened -> the line that tells it, in this order."""


class Watch:
    """`renderer watch` over a project, and when it said what."""

    def __init__(self, folder: Path, num_threads: int) -> None:
        command = [sys.executable, "-m", "renderer", "watch", "--device", "cpu", "--threads", str(num_threads)]
        self._process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def until(self, pattern: str) -> float:
        """The time at which a line was read that matches."""
        assert self._process.stdout
        for line in self._process.stdout:
            if re.match(pattern, line):
                return time.monotonic()
        raise AssertionError(f"the watch ended before `{pattern}`")

    def processor_seconds(self) -> float:
        """Of the watch and its worker until now; what measures takes is not waited for and left out."""
        watch = psutil.Process(self._process.pid)
        family = [watch, *(one for one in watch.children() if "renderer.run.worker" in one.cmdline())]
        return sum(sum(process.cpu_times()[:2]) for process in family)


def edit(watch: Watch, folder: Path, song: str, shift: float) -> dict[str, float]:
    """Seconds from the save to each moment."""
    spent, saved = watch.processor_seconds(), time.monotonic()
    write(folder, song, shift)
    found = {name: watch.until(pattern) - saved for name, pattern in MOMENTS.items()}
    found["processor"] = watch.processor_seconds() - spent
    watch.until("waiting for changes")
    page = (folder / "outputs" / "report" / "index.html").read_text("utf-8")
    assert f'"shift": {shift}' in (folder / "outputs" / song / f"{song}.s1.toml").read_text("utf-8") or page
    return found


def write(folder: Path, song: str, shift: float) -> None:
    (folder / "specs" / f"{song}.toml").write_text(SPEC.format(song=song, seconds=SECONDS, shift=shift), "utf-8")


def measure(folder: Path, num_threads: int) -> dict[str, list[dict[str, float]]]:
    """The first edit after a start, and warm ones."""
    (folder / "specs").mkdir()
    (folder / "renderer.toml").write_text('model = "mini"\n', "utf-8")
    for song in SONGS:
        write(folder, song, 3.0)
    with Watch(folder, num_threads) as watch:
        watch.until("waiting for changes")
    with Watch(folder, num_threads) as watch:
        watch.until("waiting for changes")
        first = edit(watch, folder, SONGS[0], SHIFTS[0])
        later = [(song, shift) for shift in SHIFTS for song in SONGS][1:]
        warm = [edit(watch, folder, song, shift) for song, shift in later]
    return {"first edit": [first], "warm": warm}


def main(folder: Path, num_threads: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        measured = measure(Path(name), num_threads)
    print(f"mini, {SECONDS} s a take, {num_threads} threads, {platform.processor() or platform.machine()}\n")
    print(f"{'seconds after the save':28}{'first edit':>12}{'warm, median':>14}{'warm, worst':>13}")
    table: dict[str, Any] = {}
    for name in (*MOMENTS, "processor"):
        warm = [edit[name] for edit in measured["warm"]]
        row = (measured["first edit"][0][name], statistics.median(warm), max(warm))
        table[name] = dict(zip(("first", "median", "worst"), (round(one, 3) for one in row), strict=True))
        print(f"{name:28}{row[0]:12.2f}{row[1]:14.2f}{row[2]:13.2f}")
    report = {"seconds": SECONDS, "threads": num_threads, "table": table, "edits": measured}
    (folder / "watch_latency.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count() or 1)
