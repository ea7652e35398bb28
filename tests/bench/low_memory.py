"""Whether a machine of 16 GB renders with the 1.7B LM and the 2B turbo set: one short song in bfloat16 on the CPU.

`python -m tests.bench.low_memory FOLDER`; FOLDER is written by `full_size_set` when it is missing (10 GB on disk).
What is available beyond what a machine of `--gigabytes` has to give is locked by another process: weights, work and the
page cache share the rest. The kernel would end that process first, which counts as a failure, and so does a single page
swapped. `--size small` rehearses it. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

import renderer
from renderer.models.ace_step.stages import FAMILY
from renderer.run.events import ComponentLoaded, JobDone, PartStarted
from tests.bench.full_size_load import SPEC, memory_of

if TYPE_CHECKING:
    from collections.abc import Iterator

GB = 1e9
SYSTEM_GIGABYTES = 2.0  # what system and desktop of a small machine keep to themselves
ALL_PAGES_NOW = 1  # MCL_CURRENT


@contextmanager
def locked_away(num_bytes: int) -> Iterator[subprocess.Popen[str]]:
    """So much memory held by another process, every page of it touched and locked."""
    command = [sys.executable, "-m", "tests.bench.low_memory", "--hold", str(num_bytes)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        if holder.stdout.readline().strip() != "held":
            raise SystemExit("the memory can't be locked: run it as root, or raise `ulimit -l`")
        yield holder
        if holder.poll() is not None:
            raise SystemExit("memory ran out: the kernel ended the process that held the rest")
    finally:
        holder.kill()
        holder.wait()


def hold(num_bytes: int) -> None:
    """The other process: lock, say so, wait for the end."""
    Path("/proc/self/oom_score_adj").write_text("1000")
    held = mmap.mmap(-1, max(num_bytes, mmap.PAGESIZE))
    for start in range(0, len(held), mmap.PAGESIZE):
        held[start] = 1
    if ctypes.CDLL(None, use_errno=True).mlockall(ALL_PAGES_NOW) == 0:
        print("held", flush=True)
        sys.stdin.read()


class Watch(threading.Thread):
    """Reads the memory of the worker and of this process, part by part, and keeps the peaks."""

    def __init__(self, holder: int) -> None:
        super().__init__(daemon=True)
        self.holder, self.over, self.part = holder, threading.Event(), "start"
        self.peaks: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def run(self) -> None:
        while not self.over.wait(0.05):
            workers = [child for child in psutil.Process().children(recursive=True) if child.pid != self.holder]
            anonymous, resident = (sum(column) for column in zip((0, 0), *map(memory_of, workers), strict=True))
            peaks = self.peaks[self.part]
            peaks["worker anonymous"] = max(peaks["worker anonymous"], anonymous)
            peaks["worker resident"] = max(peaks["worker resident"], resident)
            peaks["parent resident"] = max(peaks["parent resident"], memory_of(psutil.Process())[1])
            peaks["machine used"] = max(peaks["machine used"], psutil.virtual_memory().used)


def one_song(folder: Path, work: Path, asked: argparse.Namespace, watch: Watch) -> dict[str, Any]:
    """Render it; seconds a stage and a component."""
    spec = work / "low-memory.toml"
    spec.write_text(SPEC.format(seconds=asked.seconds))
    stages: dict[str, float] = {}
    loads: dict[str, float] = {}

    def listen(event: object) -> None:
        if isinstance(event, ComponentLoaded):
            # From here on: at its very start the part before it is still there.
            watch.part = next(part.name for part in FAMILY.parts.values() if event.component in part.components)
            loads[event.component] = event.seconds
        elif isinstance(event, JobDone):
            stages[str(event.job.stage)] = event.seconds
        if told := _told(event):
            print(f"{time.monotonic() - began:7.1f} s  {told}", flush=True)

    began = time.monotonic()
    songs = renderer.load_songs([spec]).require()
    summary = renderer.render(
        songs, model=str(folder), device="cpu", dtype="bfloat16", outputs=work / "outputs", listen=listen, force=True
    )
    for failure in summary.failures:
        raise SystemExit(f"{failure.take} failed in {failure.stage}: {failure.error.message} ({failure.error.why})")
    return {"wall seconds": time.monotonic() - began, "stage seconds": stages, "load seconds": loads}


def _told(event: object) -> str:
    match event:
        case PartStarted():
            return f"{event.part} starts"
        case ComponentLoaded():
            return f"{event.component} loaded, {event.num_bytes / GB:.2f} GB"
        case JobDone():
            return f"{event.job.stage} done"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--size", default="full")
    parser.add_argument("--gigabytes", type=float, default=16.0)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--hold", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.hold is not None:
        hold(asked.hold)
        return
    if not asked.folder.exists():
        subprocess.run(
            [sys.executable, "-m", "tests.bench.full_size_set", str(asked.folder), "--size", asked.size], check=True
        )
    work = asked.folder.parent / "low-memory-work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    available = psutil.virtual_memory().available
    swapped = psutil.swap_memory()
    with locked_away(max(0, int(available - (asked.gigabytes - SYSTEM_GIGABYTES) * GB))) as holder:
        left = psutil.virtual_memory().available
        print(f"{os.cpu_count()} cores, {left / GB:.1f} GB available of {available / GB:.1f}", flush=True)
        watch = Watch(holder.pid)
        watch.start()
        figures = one_song(asked.folder, work, asked, watch)
        watch.over.set()
        watch.join()
    after = psutil.swap_memory()
    figures["peak gigabytes"] = {
        part: {name: round(value / GB, 2) for name, value in peaks.items()} for part, peaks in watch.peaks.items()
    }
    figures["swapped bytes"] = after.sin - swapped.sin + after.sout - swapped.sout
    for name, value in figures.items():
        print(f"{name:16} {json.dumps(value)}")
    assert figures["swapped bytes"] == 0, "it swapped"
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
