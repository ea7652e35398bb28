"""The whole batch at full size on a GPU, by the product's own executor, files written; and the plain way beside it.

`python -m tests.bench.full_size FOLDER --run 16x180 --run 1x180 --plain` on a machine with a GPU; FOLDER is written
by `full_size_set` when it is missing. Random weights cost what real ones cost. Clock from the first weight read to the
last file on disk, warm page cache; the worker's imports are told apart. Phase 1 is off: a random LM's chains of
thought are no measure. Ends with one line of JSON. `--size small --device cpu --run 2x10` rehearses it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from renderer.models import device as devices
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.client import WorkerClient
from renderer.run.events import ComponentLoaded, JobDone, JobProgress, PartStarted, TakeDone
from renderer.run.local import Workers
from tests.bench.full_size_load import memory_of

SPEC = """\
title = "Song {number}"
caption = "synthwave number {number}, {voice} vocal, driving bass, wide pads, {number} lights in the rain"
lyrics = '''
[Verse]
Hello from the other side of the road, number {number}
{lines}
[Chorus]
Lights go by
'''
seeds = [7]
[metas]
duration = {seconds}
bpm = 100
keyscale = "A minor"
timesignature = "4"
"""
SAMPLING_SECONDS = 0.05


@dataclass
class Clock:
    """What one run told, and when."""

    began: float = field(default_factory=time.perf_counter)
    first_read: float = 0.0
    last_file: float = 0.0
    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    num_bytes: int = 0
    current: str = ""

    def hear(self, event: object) -> None:
        now = time.perf_counter() - self.began
        if isinstance(event, PartStarted):
            self.current = str(event.part)
        elif isinstance(event, ComponentLoaded):
            self.loads[event.component].append(event.seconds)
            self.num_bytes += event.num_bytes
            self.first_read = self.first_read or now - event.seconds
        elif isinstance(event, TakeDone):
            self.last_file = now
        if isinstance(event, (ComponentLoaded, JobProgress, JobDone, TakeDone)):
            span = self.parts[self.current]
            self.parts[self.current] = [span[0] if span else now, now]


class Watch(threading.Thread):
    """Reads the GPU's load and both memories while a run lasts."""

    def __init__(self, device: str) -> None:
        super().__init__(daemon=True)
        self.over, self.busy, self.peaks = threading.Event(), [], defaultdict(int)
        self.gpu = _gpu_reader() if device.startswith("cuda") else None
        self.before = self.gpu()[1] if self.gpu else 0

    def run(self) -> None:
        while not self.over.wait(SAMPLING_SECONDS):
            children = [memory_of(process) for process in psutil.Process().children(recursive=True)]
            self._peak("worker anonymous", sum(one[0] for one in children))
            self._peak("parent resident", psutil.Process().memory_info().rss)
            if self.gpu:
                busy, used = self.gpu()
                self.busy.append(busy)
                self._peak("gpu", used - self.before)

    def _peak(self, name: str, value: int) -> None:
        self.peaks[name] = max(self.peaks[name], value)


def _gpu_reader() -> Any:
    """Busy percent and used bytes of the first GPU, as NVML says."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    return lambda: (
        pynvml.nvmlDeviceGetUtilizationRates(handle).gpu,
        pynvml.nvmlDeviceGetMemoryInfo(handle).used,
    )


def write_specs(folder: Path, num_songs: int, seconds: int) -> None:
    folder.mkdir(parents=True)
    for number in range(num_songs):
        lines = "\n".join(f"line {line} of number {number}" for line in range(4 + number % 5))
        text = SPEC.format(number=number, voice=("female", "male")[number % 2], lines=lines, seconds=seconds)
        (folder / f"song-{number:03}.toml").write_text(text)


def one_run(asked: argparse.Namespace, workers: Workers, num_songs: int, seconds: int) -> dict[str, Any]:
    work = asked.folder.parent / "full-size-work" / f"{num_songs}x{seconds}"
    shutil.rmtree(work, ignore_errors=True)
    write_specs(work / "specs", num_songs, seconds)
    options = Options(model=str(asked.folder), device=asked.device, outputs=work / "outputs", lm_slots=asked.lm_slots)
    selection = select([str(work / "specs")], options)
    project = Project(selection.takes, options)
    watch, clock = Watch(asked.device), Clock()
    watch.start()
    summary = render(project, listen=clock.hear, workers=workers)
    watch.over.set()
    watch.join()
    for failure in summary.failures:
        raise SystemExit(f"{failure.take} failed in {failure.stage}: {failure.error.message} ({failure.error.why})")
    wall = clock.last_file - clock.first_read
    written = sum(path.stat().st_size for path in (work / "outputs").rglob("*.flac"))
    shutil.rmtree(work)
    return {
        "songs": num_songs,
        "seconds each": seconds,
        "wall seconds": wall,
        "times real time": num_songs * seconds / wall,
        "stages": {part: span[1] - span[0] for part, span in clock.parts.items()},
        "load seconds": {name: sum(times) for name, times in clock.loads.items()},
        "loads": {name: len(times) for name, times in clock.loads.items()},
        "gigabytes read": clock.num_bytes / 1e9,
        "gigabytes written": written / 1e9,
        "gpu busy percent": sum(watch.busy) / len(watch.busy) if watch.busy else None,
        "peak gigabytes": {name: value / 1e9 for name, value in watch.peaks.items()},
    }


def tell(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        told = {key: round(one, 2) for key, one in value.items()} if isinstance(value, dict) else value
        print(f"  {name:20} {round(told, 2) if isinstance(told, float) else told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="full")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--lm-slots", type=int)
    parser.add_argument("--run", action="append", metavar="SONGSxSECONDS", default=[])
    parser.add_argument("--plain", action="store_true", help="the way someone writes it today, 2 songs, scaled")
    asked = parser.parse_args()
    if not asked.folder.exists():
        command = [sys.executable, "-m", "tests.bench.full_size_set", str(asked.folder), "--size", asked.size]
        subprocess.run(command, check=True)
    settings = pick_settings(Options(device=asked.device, lm_slots=asked.lm_slots))
    workers = Workers(lambda: WorkerClient(settings, asked.folder.parent / "full-size-work" / "worker.log"))
    results: dict[str, Any] = {"settings": str(settings), "bfloat16": devices.dtypes(settings.device, "auto").dit}
    try:
        # Its imports, the page cache and the pinned buffers are nobody's first song.
        one_run(asked, workers, 1, 10)
        for named in asked.run:
            num_songs, seconds = map(int, named.split("x"))
            results[named] = one_run(asked, workers, num_songs, seconds)
            print(named)
            tell(results[named])
    finally:
        workers.end()
    if asked.plain:
        from tests.bench.plain_way import plain_way

        results["plain"] = plain_way(asked.folder, asked.device)
        print("plain way")
        tell(results["plain"])
    print(json.dumps(results))


if __name__ == "__main__":
    main()
