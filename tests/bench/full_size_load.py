"""Loads a full-size set by the product's code and renders one song: load times, stage times, peak memory.

`python -m tests.bench.full_size_load FOLDER` on a machine with a GPU; FOLDER is written first when it is missing.
`--size small --device cpu` rehearses it. Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

import renderer
from renderer.models import device as devices
from renderer.run.events import ComponentLoaded, JobDone, PartStarted

SPEC = """\
title = "Full size"
caption = "synthwave, female vocal, driving bass, wide pads"
lyrics = '''
[Verse]
Hello from the other side of the road
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


class Watch(threading.Thread):
    """Reads memory of this process's children and of the GPU a few times a second, and keeps the peaks."""

    def __init__(self, device: str) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.gpu = device.startswith("cuda")
        self.before = devices.free_cuda_bytes(0) if self.gpu else 0
        self.peaks = {"host_anonymous": 0, "host_resident": 0, "gpu": 0}

    def run(self) -> None:
        while not self.over.wait(0.05):
            anonymous, resident = map(
                sum, zip(*map(memory_of, psutil.Process().children(recursive=True)), (0, 0), strict=False)
            )
            gpu = self.before - devices.free_cuda_bytes(0) if self.gpu else 0
            for name, value in (("host_anonymous", anonymous), ("host_resident", resident), ("gpu", gpu)):
                self.peaks[name] = max(self.peaks[name], value)


def memory_of(process: psutil.Process) -> tuple[int, int]:
    """Anonymous and resident bytes of a process; nothing once it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0, 0
    found = {
        line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(("RssAnon", "VmRSS"))
    }
    return int(found.get("RssAnon", 0)) * 1024, int(found.get("VmRSS", 0)) * 1024


def render(folder: Path, work: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Render one song with the set in `folder`; figures by name."""
    spec = work / "full-size.toml"
    work.mkdir(parents=True, exist_ok=True)
    spec.write_text(SPEC.format(seconds=asked.seconds))
    loads: list[dict[str, Any]] = []
    jobs: dict[str, float] = {}
    marks: list[tuple[float, str]] = []
    began = time.perf_counter()

    def listen(event: object) -> None:
        if isinstance(event, ComponentLoaded):
            loads.append({"component": event.component, "seconds": event.seconds, "gigabytes": event.num_bytes / 1e9})
        elif isinstance(event, JobDone):
            jobs[str(event.job.stage)] = event.seconds
        elif isinstance(event, PartStarted):
            marks.append((time.perf_counter() - began, f"{event.part} starts"))

    watch = Watch(asked.device)
    watch.start()
    songs = renderer.load_songs([spec]).require()
    summary = renderer.render(
        songs, model=str(folder), device=asked.device, outputs=work / "outputs", listen=listen, force=True
    )
    watch.over.set()
    watch.join()
    for failure in summary.failures:
        raise SystemExit(f"{failure.take} failed in {failure.stage}: {failure.error.message} ({failure.error.why})")
    return {
        "wall_seconds": time.perf_counter() - began,
        "loads": loads,
        "jobs": jobs,
        "parts": marks,
        "peaks": {name: value / 1e9 for name, value in watch.peaks.items()},
    }


def tell(figures: dict[str, Any]) -> None:
    for load in figures["loads"]:
        rate = load["gigabytes"] / load["seconds"]
        print(f"{load['component']:26} {load['seconds']:7.2f} s  {load['gigabytes']:6.2f} GB  {rate:6.2f} GB/s")
    for stage, seconds in figures["jobs"].items():
        print(f"{stage:26} {seconds:7.2f} s")
    for at, what in figures["parts"]:
        print(f"{what:26} at {at:5.2f} s")
    print(f"{'wall':26} {figures['wall_seconds']:7.2f} s")
    for name, gigabytes in figures["peaks"].items():
        print(f"peak {name:21} {gigabytes:7.2f} GB")
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="full")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--times", type=int, default=2, help="the first run also pays for a cold disk")
    asked = parser.parse_args()
    if not asked.folder.exists():
        command = [sys.executable, "-m", "tests.bench.full_size_set", str(asked.folder), "--size", asked.size]
        subprocess.run(command, check=True)
    work = asked.folder.parent / "full-size-work"
    shutil.rmtree(work, ignore_errors=True)
    print(f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, {asked.device}")
    for _ in range(asked.times):
        tell(render(asked.folder, work, asked))


if __name__ == "__main__":
    main()
