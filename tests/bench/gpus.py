"""One batch on 1 and on N workers of a machine: times, loads, lanes, busy GPUs, equal bytes, and what was foretold.

FOLDER is written by `full_size_set` when it is missing: 10 GB of random weights, which cost what real ones cost. All
workers start and make short songs first, for imports and kernels that are compiled or loaded for the first time; then
the first of them makes the batch, then all. Clock from the first weight read to the last file on disk. What is foretold
of N workers rests on what the one took. Phase 1 is off, as in `full_size`. Then songs of mixed lengths on one worker,
and on all of them with one killed in each stage: the same bytes again. On two H200-class GPUs, the set included, about
four minutes:

    python -m tests.bench.gpus FOLDER --songs 64 --seconds 180 --out gpus.json

`--workers 1,2,4` for other numbers. What would begin after `--limit` seconds is left out and named. Rehearsed:

    python -m tests.bench.gpus FOLDER --size small --device cpu --songs 6 --seconds 10 --workers 1,2 --threads 1 \
        --mixed 8
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from renderer.models.gpus import pick_devices
from renderer.models.model_files import Residency
from renderer.pipeline.options import Options
from renderer.pipeline.pace_history import expected_times
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.events import (
    BatchDone,
    ComponentLoaded,
    JobDone,
    JobFailed,
    JobProgress,
    TakeDone,
    WorkerLeftOut,
    WorkerRestarted,
)
from renderer.run.executor import ExecutorConfig
from renderer.run.expected import GUESS
from renderer.run.local import LocalPool
from renderer.run.pool_executor import PoolExecutor
from renderer.run.simulation import best
from renderer.store.journal_lines import JobDoneLine
from tests.bench.full_size import write_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from renderer.run.driver import WorkerPool
    from renderer.run.expected import Expected

SAMPLING_SECONDS = 0.1
MIXED_LENGTHS = (90, 12, 60, 20, 47, 33)
SIMULATED = ((64, 8), (128, 8), (512, 8), (512, 32))
"""Songs, and GPUs; 32 are four machines of eight, what travels between them left out of account."""
LOG = Path("worker.log")  # of a pool that is there already: nothing is written to it


class Clock:
    """What one run told, and when."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.first_read = self.last_file = 0.0
        self.loads: dict[int, Counter[str]] = defaultdict(Counter)
        self.lanes: dict[int, list[tuple[str, int, float, float, float]]] = defaultdict(list)
        self.told = Counter[str]()

    def hear(self, event: object) -> None:
        now = time.perf_counter() - self.began
        match event:
            case ComponentLoaded():
                self.loads[event.worker][event.component] += 1
                self.first_read = self.first_read or now - event.seconds
            case JobDone() | JobFailed() | WorkerRestarted() | WorkerLeftOut():
                self.told[type(event).__name__] += 1
            case BatchDone(jobs=(job, *_)):
                row = (job.stage, len(event.jobs), now - event.seconds, event.load_seconds or 0.0, now)
                self.lanes[event.worker].append(row)
            case TakeDone():
                self.last_file = now

    @property
    def seconds(self) -> float:
        return self.last_file - self.first_read


class Busy(threading.Thread):
    """Percent busy of each GPU, as NVML says, and the most memory of the host that was in use beyond the first."""

    def __init__(self, devices: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.told: dict[str, list[int]] = defaultdict(list)
        self.memory = [psutil.virtual_memory().used]
        self.readers = {name: _reader(int(name.partition(":")[2])) for name in devices if name.startswith("cuda")}

    def run(self) -> None:
        while not self.over.wait(SAMPLING_SECONDS):
            self.memory.append(psutil.virtual_memory().used)
            for name, read in self.readers.items():
                self.told[name].append(read())

    def percent(self) -> dict[str, float]:
        self.over.set()
        return {name: sum(told) / len(told) for name, told in self.told.items()}


def _reader(index: int) -> Any:
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    nvml.nvmlInit_v2()
    handle, rates = ctypes.c_void_p(), (ctypes.c_uint * 2)()
    nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle))

    def read() -> int:
        nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates))
        return int(rates[0])

    return read


class Killer:
    """Kills the first worker that shows a sign of life in each stage, with all of its jobs in flight."""

    def __init__(self, pool: LocalPool) -> None:
        self.pool, self.told = pool, dict[str, int]()

    def hear(self, event: object) -> None:
        if not isinstance(event, JobProgress):
            return
        # Not the same one twice: that dies again before it gave a result, and is left out.
        if event.job.stage not in self.told and event.worker not in list(self.told.values())[-1:]:
            self.told[event.job.stage] = event.worker
            os.kill(self.pool._processes[event.worker].pid, signal.SIGKILL)


class SomeOf:
    """The first workers of a pool; see `WorkerPool`."""

    def __init__(self, pool: WorkerPool, number: int) -> None:
        self.settings = pool.settings[:number]
        self._pool = pool
        self.send, self.next, self.kill, self.end = pool.send, pool.next, pool.kill, pool.end

    @property
    def pids(self) -> tuple[int, ...]:
        return self._pool.pids


def project_of(asked: argparse.Namespace, devices: Sequence[str], specs: Path, outputs: Path) -> Project:
    cuda = devices[0].startswith("cuda")
    options = Options(
        model=str(asked.folder),
        device="cuda:" + ",".join(name.partition(":")[2] for name in devices) if cuda else devices[0],
        workers=None if cuda else len(devices),
        outputs=outputs,
        threads=asked.threads,
        lm_slots=asked.lm_slots,
    )
    selection = select([str(specs)], options)
    if not selection.takes:
        raise SystemExit("\n".join(str(one) for one in selection.diagnostics))
    return Project(selection.takes, options)


def one_run(
    project: Project, pool: WorkerPool, expected: Expected, beside: Callable[[object], None] = lambda _: None
) -> dict[str, Any]:
    devices = [one.device for one in project.workers.settings]
    config = ExecutorConfig(settings=project.workers.settings, log=LOG, residency=Residency.ALONE, expected=expected)
    clock, busy = Clock(), Busy(devices)
    busy.start()

    def hear(event: object) -> None:
        clock.hear(event)
        beside(event)

    checked(render(project, listen=hear, executor=PoolExecutor(SomeOf(pool, len(devices)), config)))
    done = Counter(line.key for entry in project.store.journal.lines() if isinstance(line := entry.line, JobDoneLine))
    return {
        "devices": devices,
        "wall seconds": clock.seconds,
        "gpu busy percent": busy.percent(),
        "host GB more": (max(busy.memory) - busy.memory[0]) / 1e9,
        "GB written": sum(one.stat().st_size for one in project.store.outputs.rglob("*") if one.is_file()) / 1e9,
        "told": dict(clock.told),
        "jobs done twice": sum(times > 1 for times in done.values()),
        "loads": {worker: dict(loads) for worker, loads in sorted(clock.loads.items())},
        "lanes": dict(sorted(clock.lanes.items())),
        "digest": digest_of(project),
    }


def checked(summary: Any) -> None:
    if summary.fault or summary.failures:
        faults = [summary.fault, *(failure.error for failure in summary.failures)]
        raise SystemExit("; ".join(f"{fault.message} ({fault.why})" for fault in faults if fault))


def digest_of(project: Project) -> dict[str, str]:
    """Of every result of every stage and of the sound, by their keys: equal ones have equal bytes."""
    found: dict[str, Any] = {}
    for folder in sorted(path for path in project.store.folder.iterdir() if path.is_dir() and path.name != "takes"):
        whole = hashlib.sha256()
        for path in sorted(folder.rglob("*.safetensors")):
            whole.update(path.name.encode() + tensors_digest(path))
        if any(folder.rglob("*.safetensors")):
            found[folder.name] = whole.hexdigest()[:16]
    sound = hashlib.sha256()
    for path in sorted(project.store.outputs.glob("song-*/*.flac")):
        sound.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return found | {"sound": sound.hexdigest()[:16]}


def tensors_digest(path: Path) -> bytes:
    """Of the arrays alone: the header tells where and how long they were made."""
    raw = path.read_bytes()
    header = int.from_bytes(raw[:8], "little")
    return hashlib.sha256(raw[8 + header :]).digest()


def tell(name: str, figures: dict[str, Any]) -> None:
    print(name, flush=True)
    for key, value in figures.items():
        if key == "lanes":
            for worker, lane in value.items():
                for stage, number, begin, load, end in lane:
                    print(
                        f"    worker {worker}: {stage:10} {number:3} jobs  load {load:5.2f}  {begin:7.2f} - {end:7.2f}"
                    )
        else:
            print(f"  {key:18} {round(value, 2) if isinstance(value, float) else value}", flush=True)


def against(first: dict[str, Any], project: Project, pool: WorkerPool, expected: Expected) -> dict[str, Any]:
    """The same batch on more workers, beside what was foretold and what the first took."""
    schedule = best(project.plan(), project.workers.settings, expected)
    figures = one_run(project, pool, expected)
    return figures | {
        "foretold seconds": schedule.seconds,
        "way": str(schedule.way),
        "measured / foretold": figures["wall seconds"] / schedule.seconds,
        "times the first": first["wall seconds"] / figures["wall seconds"],
        "same bytes": figures["digest"] == first["digest"],
    }


def measure(asked: argparse.Namespace) -> None:
    began = time.monotonic()
    if not asked.folder.exists():
        command = [sys.executable, "-m", "tests.bench.full_size_set", str(asked.folder), "--size", asked.size]
        subprocess.run(command, check=True)
    work = asked.folder.parent / "gpus-work"
    shutil.rmtree(work, ignore_errors=True)
    every = ("cpu",) * 64 if asked.device == "cpu" else pick_devices(asked.device).devices
    numbers = [int(one) for one in asked.workers.split(",")] if asked.workers else sorted({1, len(every)})
    write_specs(work / "specs", asked.songs, asked.seconds)
    write_specs(work / "warm", 1, asked.warm)
    slots = project_of(asked, every[:1], work / "warm", work / "warm-outputs").settings.lm_slots
    shutil.rmtree(work / "warm")
    # So many that each worker loads each part.
    write_specs(work / "warm", slots * max(numbers), asked.warm)
    warm = project_of(asked, every[: max(numbers)], work / "warm", work / "warm-outputs")
    config = ExecutorConfig(settings=warm.workers.settings, log=work / "worker.log", residency=Residency.ALONE)
    pool = LocalPool(config)
    results: dict[str, Any] = {"songs": asked.songs, "seconds each": asked.seconds}
    try:
        for name, figures in runs(asked, warm, pool, [every[:number] for number in numbers], began + asked.limit):
            results[name] = figures
            tell(f"{name}, {time.monotonic() - began:.0f} s in", figures)
            if asked.out:
                asked.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    finally:
        for worker in range(len(pool.settings)):
            pool.end(worker)


def runs(
    asked: argparse.Namespace, warm: Project, pool: LocalPool, groups: Sequence[Sequence[str]], until: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    work = asked.folder.parent / "gpus-work"
    yield "warm-up", one_run(warm, pool, GUESS)
    project = project_of(asked, groups[0], work / "specs", work / "on-first")
    first = one_run(project, pool, GUESS)
    expected = expected_times(project.store.journal, project.settings.device)
    first["expected"] = {f"{stage} of {key[:8]}": pace for (stage, key), pace in expected.paces.items()}
    first["expected loads"] = {key[:8]: seconds for key, seconds in expected.loads.items()}
    yield f"on {len(groups[0])}", first
    for group in groups[1:]:
        if time.monotonic() > until:
            yield f"on {len(group)}", {"left out": "time was up"}
            return
        project = project_of(asked, group, work / "specs", work / f"on-{len(group)}")
        yield f"on {len(group)}", against(first, project, pool, expected)
    for songs, number in SIMULATED:
        yield f"simulated: {songs} songs on {number}", foretold(asked, songs, number, expected)
    if asked.mixed and time.monotonic() < until:
        yield from mixed_lengths(asked, groups[-1], pool, expected)


def foretold(asked: argparse.Namespace, songs: int, number: int, expected: Expected) -> dict[str, Any]:
    """Nothing runs: the dispatcher on a clock of what one worker took."""
    folder = asked.folder.parent / "gpus-work" / f"{songs}-songs"
    shutil.rmtree(folder, ignore_errors=True)
    write_specs(folder, songs, asked.seconds)
    device = "cpu" if asked.device == "cpu" else pick_devices(asked.device).devices[0]
    project = project_of(asked, (device,), folder, folder / "nowhere")
    plan = project.plan()
    alone, told = (best(plan, [project.settings] * workers, expected) for workers in (1, number))
    loads = sum(stint.load > 0 for lane in told.lanes for stint in lane)
    return {
        "foretold seconds": told.seconds,
        "way": str(told.way),
        "times the one": alone.seconds / told.seconds,
        "loads": loads,
    }


def mixed_lengths(
    asked: argparse.Namespace, devices: Sequence[str], pool: LocalPool, expected: Expected
) -> Iterator[tuple[str, dict[str, Any]]]:
    work = asked.folder.parent / "gpus-work"
    write_specs(work / "mixed", asked.mixed, *MIXED_LENGTHS)
    first = one_run(project_of(asked, devices[:1], work / "mixed", work / "mixed-1"), pool, expected)
    yield f"{asked.mixed} of mixed lengths on 1", first
    killer = Killer(pool)
    project = project_of(asked, devices, work / "mixed", work / "mixed-killed")
    figures = one_run(project, pool, expected, killer.hear)
    figures["killed"], figures["same bytes"] = killer.told, figures["digest"] == first["digest"]
    yield f"{asked.mixed} of mixed lengths on {len(devices)}, one killed in each stage", figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="full")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--songs", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--warm", type=int, default=60, metavar="SECONDS", help="length of the songs that go first")
    parser.add_argument("--workers", metavar="N,N", help="by default 1 and as many as there are GPUs")
    parser.add_argument("--mixed", type=int, default=40, metavar="SONGS", help="of mixed lengths; 0: none")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--lm-slots", type=int)
    parser.add_argument("--limit", type=float, default=540.0, metavar="SECONDS")
    parser.add_argument("--out", type=Path, help="JSON, written anew after every run")
    asked = parser.parse_args()
    measure(asked)


if __name__ == "__main__":
    main()
