"""One batch on 1 and on N workers of a machine: times, loads, lanes, busy GPUs, equal bytes, and what was foretold.

FOLDER is written by `full_size_set` when it is missing: 10 GB of random weights, which cost what real ones cost. All
workers start and make short songs first, for imports and kernels that are compiled or loaded for the first time; then
the first of them makes the batch, then all. Clock from the first weight read to the last file on disk. What is foretold
of N workers rests on what the one took. Phase 1 is off, as in `full_size`. On two H200-class GPUs, the set included,
about two minutes, of 32 songs a minute and a half:

    python -m tests.bench.gpus FOLDER --songs 64 --seconds 180 --out gpus.json

`--workers 1,2,4` for other numbers. What would begin after `--limit` seconds is left out and named. Rehearsed:

    python -m tests.bench.gpus FOLDER --size small --device cpu --songs 6 --seconds 10 --workers 1,2 --threads 1
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.models.gpus import pick_devices
from renderer.models.model_files import Residency
from renderer.pipeline.options import Options
from renderer.pipeline.pace_history import expected_times
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.events import BatchDone, ComponentLoaded, TakeDone
from renderer.run.executor import ExecutorConfig
from renderer.run.expected import GUESS
from renderer.run.local import LocalPool
from renderer.run.pool_executor import PoolExecutor
from renderer.run.simulation import best
from tests.bench.full_size import write_specs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.run.driver import WorkerPool
    from renderer.run.expected import Expected

SAMPLING_SECONDS = 0.1
LOG = Path("worker.log")  # of a pool that is there already: nothing is written to it


class Clock:
    """What one run told, and when."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.first_read = self.last_file = 0.0
        self.loads: dict[int, Counter[str]] = defaultdict(Counter)
        self.lanes: dict[int, list[tuple[str, int, float, float, float]]] = defaultdict(list)

    def hear(self, event: object) -> None:
        now = time.perf_counter() - self.began
        match event:
            case ComponentLoaded():
                self.loads[event.worker][event.component] += 1
                self.first_read = self.first_read or now - event.seconds
            case BatchDone(jobs=(job, *_)):
                row = (job.stage, len(event.jobs), now - event.seconds, event.load_seconds or 0.0, now)
                self.lanes[event.worker].append(row)
            case TakeDone():
                self.last_file = now

    @property
    def seconds(self) -> float:
        return self.last_file - self.first_read


class Busy(threading.Thread):
    """Percent busy of each GPU, as NVML says."""

    def __init__(self, devices: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.told: dict[str, list[int]] = defaultdict(list)
        self.readers = {name: _reader(int(name.partition(":")[2])) for name in devices if name.startswith("cuda")}

    def run(self) -> None:
        while self.readers and not self.over.wait(SAMPLING_SECONDS):
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


def one_run(project: Project, pool: WorkerPool, expected: Expected) -> dict[str, Any]:
    devices = [one.device for one in project.workers.settings]
    config = ExecutorConfig(settings=project.workers.settings, log=LOG, residency=Residency.ALONE, expected=expected)
    clock, busy = Clock(), Busy(devices)
    busy.start()
    checked(render(project, listen=clock.hear, executor=PoolExecutor(SomeOf(pool, len(devices)), config)))
    return {
        "devices": devices,
        "wall seconds": clock.seconds,
        "gpu busy percent": busy.percent(),
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

    def keep(name: str, figures: dict[str, Any]) -> None:
        results[name] = figures
        tell(f"{name}, {time.monotonic() - began:.0f} s in", figures)
        if asked.out:
            asked.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")

    try:
        keep("warm-up", one_run(warm, pool, GUESS))
        expected, first = GUESS, {}
        for number in numbers:
            if time.monotonic() - began > asked.limit:
                keep(f"on {number}", {"left out": "time was up"})
                break
            project = project_of(asked, every[:number], work / "specs", work / f"on-{number}")
            schedule = best(project.plan(), project.workers.settings, expected)
            figures = one_run(project, pool, expected)
            if first:
                figures["foretold seconds"], figures["way"] = schedule.seconds, str(schedule.way)
                figures["measured / foretold"] = figures["wall seconds"] / schedule.seconds
                figures["times the first"] = first["wall seconds"] / figures["wall seconds"]
                figures["same bytes"] = figures["digest"] == first["digest"]
            else:
                first = figures
                expected = expected_times(project.store.journal, project.settings.device)
                figures["expected"] = {f"{stage} of {key[:8]}": pace for (stage, key), pace in expected.paces.items()}
            keep(f"on {number}", figures)
        if first:
            for number in (8, 32):
                plan = project_of(asked, every[:1], work / "specs", work / "nowhere").plan()
                told = best(plan, [warm.settings] * number, expected)
                keep(f"simulated on {number}", {"foretold seconds": told.seconds, "way": str(told.way)})
    finally:
        for worker in range(len(pool.settings)):
            pool.end(worker)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="full")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--songs", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--warm", type=int, default=60, metavar="SECONDS", help="length of the songs that go first")
    parser.add_argument("--workers", metavar="N,N", help="by default 1 and as many as there are GPUs")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--lm-slots", type=int)
    parser.add_argument("--limit", type=float, default=540.0, metavar="SECONDS")
    parser.add_argument("--out", type=Path, help="JSON, written anew after every run")
    asked = parser.parse_args()
    measure(asked)


if __name__ == "__main__":
    main()
