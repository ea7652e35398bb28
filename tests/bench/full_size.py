"""The whole batch at full size on a GPU, by the product's own executor, files written; and the plain way beside it.

FOLDER is written by `full_size_set` when it is missing: 10 GB of random weights, which cost what real ones cost. Clock
from the first weight read to the last file on disk, warm page cache. One song of each length goes first and is told
apart: imports, kernels that are compiled or loaded for the first time and their libraries' first choices are in it.
Phase 1 is off: a random LM's chains of thought are no measure. On one H200-class GPU, each below ten minutes; whatever
would begin after `--limit` seconds is left out and named:

    python -m tests.bench.full_size FOLDER --run 16x180 --plain --out first.json          about 3 minutes
    python -m tests.bench.full_size FOLDER --matrix 30,60,180 --out matrix.json           about 5
    python -m tests.bench.full_size FOLDER --matrix 600 --out long.json                   about 6

`--matrix` runs 1, 4, 16 and 64 songs of each length. "Work" is a part's time without reading weights, "start" the time
from its last weight to its first sign: prompts, graph capture. "Bound" is `bounds`, "busy" NVML's; `--run 16x180
--trace trace.json` has it from the GPU's own records, with the kernels that took longest.
`--size small --device cpu --run 2x10 --plain` rehearses it.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch

from renderer.models import device as devices
from renderer.models.model_files import Residency
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.events import ComponentLoaded, JobDone, JobProgress, PartStarted, TakeDone
from renderer.run.executor import DEFAULT, EXECUTORS, ExecutorConfig
from tests.bench.bounds import Peaks, bounds, measure_peaks
from tests.bench.full_size_load import memory_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.run.executor import Executor

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
max_duration = 600
[metas]
duration = {seconds}
bpm = 100
keyscale = "A minor"
timesignature = "4"
"""
SAMPLING_SECONDS = 0.05
MATRIX_SONGS = (1, 4, 16, 64)


@dataclass
class Clock:
    """What one run told, and when."""

    began: float = field(default_factory=time.perf_counter)
    first_read: float = 0.0
    last_file: float = 0.0
    spans: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    read: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    starts: dict[str, float] = field(default_factory=dict)
    num_bytes: int = 0
    current: str = ""
    loaded: float = 0.0

    def hear(self, event: object) -> None:
        now = time.perf_counter() - self.began
        if isinstance(event, PartStarted):
            self.current = str(event.part)
        elif isinstance(event, ComponentLoaded):
            self.loads[event.component].append(event.seconds)
            self.read[self.current] += event.seconds
            self.num_bytes += event.num_bytes
            self.first_read = self.first_read or now - event.seconds
            self.loaded = now
        elif isinstance(event, JobProgress):
            self.starts.setdefault(self.current, now - self.loaded)
        elif isinstance(event, TakeDone):
            self.last_file = now
        if isinstance(event, (PartStarted, ComponentLoaded, JobProgress, JobDone, TakeDone)):
            span = self.spans[self.current]
            self.spans[self.current] = [span[0] if span else now, now]

    @property
    def work(self) -> dict[str, float]:
        """Seconds of each part without reading its weights."""
        return {part: end - begin - self.read[part] for part, (begin, end) in self.spans.items()}


class Watch(threading.Thread):
    """Reads the GPU's load, part by part, and both memories while a run lasts."""

    def __init__(self, clock: Clock, device: str, before: int) -> None:
        super().__init__(daemon=True)
        self.clock = clock
        self.over, self.peaks = threading.Event(), defaultdict[str, int](int)
        self.busy = defaultdict[str, list[int]](list)
        self.gpu = _gpu_reader() if device.startswith("cuda") else None
        self.before = before  # of GPU memory in use, by others

    def run(self) -> None:
        while not self.over.wait(SAMPLING_SECONDS):
            children = [memory_of(process) for process in psutil.Process().children(recursive=True)]
            self._peak("worker anonymous", sum(one[0] for one in children))
            self._peak("parent resident", psutil.Process().memory_info().rss)
            if self.gpu:
                busy, used = self.gpu()
                self.busy[self.clock.current].append(busy)
                self._peak("gpu", used - self.before)

    def told(self) -> dict[str, float]:
        """Busy percent of the whole run and of each part."""
        spans = {"all": [busy for told in self.busy.values() for busy in told], **self.busy}
        return {part: sum(told) / len(told) for part, told in spans.items() if part and told}

    def _peak(self, name: str, value: int) -> None:
        self.peaks[name] = max(self.peaks[name], value)


def _gpu_reader() -> Any:
    """Busy percent and used bytes of the first GPU, as NVML says."""
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    nvml.nvmlInit_v2()
    handle, rates, memory = ctypes.c_void_p(), (ctypes.c_uint * 2)(), (ctypes.c_ulonglong * 3)()
    nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle))

    def read() -> tuple[int, int]:
        nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates))
        nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
        return int(rates[0]), int(memory[2])

    return read


def write_specs(folder: Path, num_songs: int, *lengths: int) -> None:
    """So many songs, of these lengths in turn."""
    folder.mkdir(parents=True)
    for number in range(num_songs):
        lines = "\n".join(f"line {line} of number {number}" for line in range(4 + number % 5))
        seconds, voice = lengths[number % len(lengths)], ("female", "male")[number % 2]
        text = SPEC.format(number=number, voice=voice, lines=lines, seconds=seconds)
        (folder / f"song-{number:03}.toml").write_text(text)


def one_run(
    asked: argparse.Namespace, executor: Executor, peaks: Peaks, before: int, num_songs: int, seconds: int
) -> dict[str, Any]:
    work = asked.folder.parent / "full-size-work" / f"{num_songs}x{seconds}"
    shutil.rmtree(work, ignore_errors=True)
    write_specs(work / "specs", num_songs, seconds)
    options = Options(model=str(asked.folder), device=asked.device, outputs=work / "outputs", lm_slots=asked.lm_slots)
    selection = select([str(work / "specs")], options)
    if not selection.takes:
        raise SystemExit("\n".join(str(found) for found in selection.diagnostics))
    project = Project(selection.takes, options)
    clock = Clock()
    watch = Watch(clock, asked.device, before)
    watch.start()
    summary = render(project, listen=clock.hear, executor=executor)
    watch.over.set()
    watch.join()
    if summary.fault:
        raise SystemExit(f"{num_songs} x {seconds} s ended early: {summary.fault.message} ({summary.fault.why})")
    for failure in summary.failures:
        raise SystemExit(f"{failure.take} failed in {failure.stage}: {failure.error.message} ({failure.error.why})")
    wall = clock.last_file - clock.first_read
    slots = project.settings.lm_slots
    bound = bounds(asked.folder, peaks, num_songs=num_songs, seconds=seconds, num_slots=slots)
    written = sum(path.stat().st_size for path in (work / "outputs").rglob("*.flac"))
    shutil.rmtree(work)
    return {
        "songs": num_songs,
        "seconds each": seconds,
        "wall seconds": wall,
        "times real time": num_songs * seconds / wall,
        "work seconds": clock.work,
        "start seconds": clock.starts,
        "bound seconds": bound,
        "times the bound": {part: clock.work[part] / least for part, least in bound.items()},
        "load seconds": {name: sum(times) for name, times in clock.loads.items()},
        "loads": {name: len(times) for name, times in clock.loads.items()},
        "gigabytes read": clock.num_bytes / 1e9,
        "gigabytes written": written / 1e9,
        "gpu busy percent": watch.told(),
        "peak gigabytes": {name: value / 1e9 for name, value in watch.peaks.items()},
    }


def tell(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        told = {key: round(one, 2) for key, one in value.items()} if isinstance(value, dict) else value
        print(f"  {name:20} {round(told, 2) if isinstance(told, float) else told}")


def main() -> None:
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="full")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--lm-slots", type=int)
    parser.add_argument("--run", action="append", metavar="SONGSxSECONDS", default=[])
    parser.add_argument("--matrix", metavar="SECONDS,...", help="1, 4, 16 and 64 songs of each length")
    parser.add_argument("--plain", action="store_true", help="the way someone writes it today, 2 songs, scaled")
    parser.add_argument(
        "--trace", type=Path, metavar="JSON", help="what the GPU did in the second batch; slows it down"
    )
    parser.add_argument("--limit", type=float, default=540.0, metavar="SECONDS")
    parser.add_argument("--out", type=Path, help="JSON, written anew after every run")
    asked = parser.parse_args()
    if not asked.folder.exists():
        command = [sys.executable, "-m", "tests.bench.full_size_set", str(asked.folder), "--size", asked.size]
        subprocess.run(command, check=True)
    settings = pick_settings(Options(device=asked.device, lm_slots=asked.lm_slots))
    module = "tests.bench.traced_worker" if asked.trace else "renderer.run.worker"
    log = asked.folder.parent / "full-size-work" / "worker.log"
    if asked.trace:
        os.environ["RENDERER_TRACE"] = str(asked.trace)
    config = ExecutorConfig(settings=(settings,), log=log, residency=Residency.ALONE, module=module)
    executor = EXECUTORS[DEFAULT].make(config)
    peaks = measure_peaks(torch.device(settings.device))
    # After what the peaks took, which stays with this process, and before any worker.
    before = _gpu_reader()()[1] if asked.device.startswith("cuda") else 0
    found: dict[str, Any] = {"settings": str(settings), "bfloat16": devices.dtypes(settings.device, "auto").dit}
    found |= {"torch": torch.__version__, "peak flops": peaks.flops, "peak bytes a second": peaks.bytes}

    def keep(name: str, work: Callable[[], dict[str, Any]]) -> None:
        if time.monotonic() - began > asked.limit:
            found[name] = "left out: time was up"
        else:
            found[name] = work()
        print(f"{name}, {time.monotonic() - began:.0f} s in", flush=True)
        tell(found[name]) if isinstance(found[name], dict) else print(f"  {found[name]}")
        if asked.out:
            asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    try:
        for num_songs, seconds in runs(asked):
            if f"the first {seconds} s" not in found:
                keep(f"the first {seconds} s", partial(one_run, asked, executor, peaks, before, 1, seconds))
            keep(f"{num_songs}x{seconds}", partial(one_run, asked, executor, peaks, before, num_songs, seconds))
    finally:
        executor.end()
    if asked.plain:
        from tests.bench.plain_way import plain_way

        keep("plain way", partial(plain_way, asked.folder, asked.device))
    print(json.dumps(found))


def runs(asked: argparse.Namespace) -> list[tuple[int, int]]:
    """Songs and seconds of every run, those named first."""
    named = [tuple(map(int, one.split("x"))) for one in asked.run]
    lengths = [int(one) for one in asked.matrix.split(",")] if asked.matrix else []
    return [*named, *((num_songs, seconds) for seconds in lengths for num_songs in MATRIX_SONGS)]


if __name__ == "__main__":
    main()
