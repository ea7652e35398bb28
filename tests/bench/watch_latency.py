"""Benchmark: how soon a saved edit is heard, through the real `renderer watch` with the embedded model.

    python -m tests.bench.watch_latency FOLDER [THREADS]

Edits the shift of 30-second takes, first with nothing loaded yet, then with the models warm. Prints a table; writes
watch_latency.json into FOLDER. Processor seconds (watch and worker together) are told too: on a machine that others
use, they say more than the clock does.
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
import tomllib
from contextlib import suppress
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
    "what runs, and why": r"(?P<song>\w+)\.s1: ",
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

    def rest(self) -> None:
        """Wait until watch and worker do nothing any more, as they do while someone thinks what to edit."""
        spent = -1.0
        while (now := self.processor_seconds()) - spent > 0.05:
            spent = now
            time.sleep(2.0)

    def processor_seconds(self) -> float:
        """Of the watch and its worker until now; what measures takes is not waited for and left out."""
        watch = psutil.Process(self._process.pid)
        spent = sum(watch.cpu_times()[:2])
        for child in watch.children():
            with suppress(psutil.NoSuchProcess):
                spent += sum(child.cpu_times()[:2]) if "renderer.run.worker" in child.cmdline() else 0.0
        return spent


def edit(watch: Watch, folder: Path, song: str, shift: float) -> dict[str, tuple[float, float]]:
    """Seconds from the save to each moment, by the clock and of the processor."""
    spent, saved = watch.processor_seconds(), time.monotonic()
    write(folder, song, shift)
    found = {}
    for name, pattern in MOMENTS.items():
        found[name] = (watch.until(pattern) - saved, watch.processor_seconds() - spent)
    key = str(tomllib.loads((folder / "outputs" / song / f"{song}.s1.toml").read_text("utf-8"))["keys"]["take"])
    assert key[:8] in (folder / "outputs" / "report" / "index.html").read_text("utf-8")
    watch.until("waiting for changes")
    return found


def write(folder: Path, song: str, shift: float) -> None:
    (folder / "specs" / f"{song}.toml").write_text(SPEC.format(song=song, seconds=SECONDS, shift=shift), "utf-8")


def measure(folder: Path, num_threads: int) -> dict[str, list[dict[str, tuple[float, float]]]]:
    """The first edit after a start, and warm ones."""
    (folder / "specs").mkdir()
    (folder / "renderer.toml").write_text('model = "mini"\n', "utf-8")
    for song in SONGS:
        write(folder, song, 3.0)
    with Watch(folder, num_threads) as watch:
        watch.until("waiting for changes")
    with Watch(folder, num_threads) as watch:
        watch.until("waiting for changes")
        watch.rest()
        first = edit(watch, folder, SONGS[0], SHIFTS[0])
        later = [(song, shift) for shift in SHIFTS for song in SONGS][1:]
        warm = [edit(watch, folder, song, shift) for song, shift in later]
    return {"first edit": [first], "warm": warm}


def _row(measured: Any, name: str, place: int) -> dict[str, float]:
    warm = [edit[name][place] for edit in measured["warm"]]
    found = {
        "first edit": measured["first edit"][0][name][place],
        "median": statistics.median(warm),
        "worst": max(warm),
    }
    return {column: round(value, 3) for column, value in found.items()}


def main(folder: Path, num_threads: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        measured = measure(Path(name), num_threads)
    print(f"mini, {SECONDS} s a take, {num_threads} threads, {platform.processor() or platform.machine()}\n")
    print(f"{'':28}{'seconds after the save':^36}{'processor seconds':^36}")
    print(f"{'':28}" + f"{'first edit':>12}{'median':>12}{'worst':>12}" * 2)
    table: dict[str, Any] = {}
    for name in MOMENTS:
        clock, processor = (_row(measured, name, place) for place in (0, 1))
        table[name] = {"seconds": clock, "processor": processor}
        print(f"{name:28}" + "".join(f"{value:12.2f}" for value in (*clock.values(), *processor.values())))
    report = {"seconds": SECONDS, "threads": num_threads, "table": table, "edits": measured}
    (folder / "watch_latency.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count() or 1)
