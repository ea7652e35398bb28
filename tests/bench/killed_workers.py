"""Forty takes of `mini` by CPU workers, shards and a Ray cluster, with kills: the same bytes, each job once.

    python -m tests.bench.killed_workers FOLDER --kills 50

It fails where a byte differs, a job was done twice by the journals, a take is missing, or a process of a run is left
over; a take over which two workers were killed has to come when it is rendered again. On 1, 2 and 4 workers; then with
workers killed at random: on 2 and 4 workers, as three shards whose whole renders are killed and started again, and on
two simulated nodes of Ray, of which one goes in each stage, with everything on it, and another comes. `--only ray` runs
one of them beside the undisturbed one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from renderer.errors import WorkerDied
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.processes import python
from renderer.run.events import JobDone, JobProgress, WorkerLeftOut, WorkerRestarted
from renderer.store.journal_lines import JobDoneLine
from tests.ray_cluster import simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.run.events import RunEvent
    from tests.ray_cluster import Simulated

SPEC = """\
caption = "slow blues number {number}, piano"
lyrics = "[verse]\\nthe rain came down on number {number}"
seeds = [1, 2, 3, 4]
[metas]
duration = 10
bpm = 90
"""
NUM_SONGS, NUM_TAKES, NUM_SHARDS = 10, 40, 3
WORKER = "renderer.run.worker"
ENDING_SECONDS = 20.0


@dataclass(kw_only=True)
class Bench:
    """What all runs have in common, and what became of them."""

    folder: Path
    seconds: float
    """Of sound, a take."""
    drawn: random.Random = field(default_factory=lambda: random.Random(25))
    digests: dict[str, str] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    seen: set[psutil.Process] = field(default_factory=set)
    """Workers of the run that is under way."""

    def run(self, name: str, carry_out: Callable[[Path], Mapping[str, Any]]) -> None:
        """One batch into a folder of its own, and what has to hold of it."""
        began, outputs = time.monotonic(), self.folder / name
        self.seen.clear()
        told = carry_out(outputs)
        assert not psutil.wait_procs(self.seen, timeout=ENDING_SECONDS)[1], "a worker is left over"
        sounds = sorted(outputs.glob("song*/*.flac"))
        assert len(sounds) == NUM_TAKES, len(sounds)
        whole = hashlib.sha256()
        for path in sounds:
            whole.update(path.name.encode() + path.read_bytes())
        self.digests[name] = whole.hexdigest()
        assert not [path for path in outputs.rglob("*") if ".tmp" in path.name], "a temporary file is left over"
        twice = {key: times for key, times in self.done(outputs).items() if times > 1}
        assert not twice, twice
        taken = time.monotonic() - began
        print(f"{name:12} {self.kills[name]:3} kills {taken:5.0f} s {whole.hexdigest()[:16]} {dict(told)}", flush=True)

    def done(self, outputs: Path) -> Counter[str]:
        """Job -> how often the journals tell that it was done."""
        store = Project(select([str(self.folder / "specs")], self.options(outputs)).takes, self.options(outputs)).store
        return Counter(str(line.key) for entry in store.journal.lines() if isinstance(line := entry.line, JobDoneLine))

    def options(self, outputs: Path, **also: Any) -> Options:
        return Options(device="cpu", threads=1, lm_slots=4, outputs=outputs, preview=self.seconds, model="mini", **also)

    def kill(self, name: str, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills[name] += 1

    def note(self, *above: psutil.Process) -> list[psutil.Process]:
        """The workers below these processes that run now."""
        found = [one for process in above for one in below(process) if is_worker(one)]
        self.seen.update(found)
        return found


def below(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return process.status() != psutil.STATUS_ZOMBIE and WORKER in process.cmdline()
    return False


def in_process(
    bench: Bench, options: Options, disturb: Callable[[RunEvent, Counter[str]], None]
) -> Callable[[Path], Counter[str]]:
    """A render in this process, whose events are listened to."""

    def carry_out(outputs: Path) -> Counter[str]:
        project = Project(select([str(bench.folder / "specs")], options).takes, options)
        assert project.store.outputs == outputs
        executor, told = project.executor(), Counter[str]()

        def hear(event: RunEvent) -> None:
            told[type(event).__name__] += isinstance(event, JobDone | WorkerRestarted | WorkerLeftOut)
            bench.note(psutil.Process())
            disturb(event, told)

        try:
            summary = render(project, listen=hear, executor=executor)
        finally:
            executor.end()
        assert not summary.fault, summary.fault
        if summary.failures:
            # Two workers were killed over one job, which then fails; whoever renders again gets it.
            told["takes failed"] = len(summary.failures)
            assert all(isinstance(one.error, WorkerDied) for one in summary.failures), summary.failures
            again = bench.options(outputs, workers=2)
            assert not render(
                Project(select([str(bench.folder / "specs")], again).takes, again), listen=lambda _: None
            ).failures
        return +told

    return carry_out


def on_workers(bench: Bench, number: int, num_kills: int) -> None:
    name = f"on-{number}" + ("-killed" if num_kills else "")
    every = max(1, 3 * NUM_TAKES // (num_kills + 1))

    def disturb(event: RunEvent, told: Counter[str]) -> None:
        due = isinstance(event, JobDone) and told["JobDone"] % every == 0
        if due and bench.kills[name] < num_kills and (workers := bench.note(psutil.Process())):
            bench.kill(name, bench.drawn.choice(workers).pid)

    options = bench.options(bench.folder / name, workers=number)
    bench.run(name, in_process(bench, options, disturb))


def on_ray(bench: Bench, num_kills: int) -> None:
    """A node goes at the first sign of each stage, and another comes; workers are killed between."""
    name, gone = "ray", set[str]()
    every = max(1, 3 * NUM_TAKES // (num_kills + 1))

    def disturb(event: RunEvent, told: Counter[str], cluster: Simulated) -> None:
        workers = bench.note(*cluster.pids)
        if isinstance(event, JobProgress) and event.job.stage not in gone:
            gone.add(event.job.stage)
            cluster.remove_node()
            bench.kills[name] += 1
            cluster.add_node()
        elif isinstance(event, JobDone) and told["JobDone"] % every == 0 and workers:
            bench.kill(name, bench.drawn.choice(workers).pid)

    with simulated(num_cpus=1, num_nodes=2) as cluster:
        options = bench.options(bench.folder / name, cluster=cluster.address, workers=2)
        bench.run(name, in_process(bench, options, lambda event, told: disturb(event, told, cluster)))
        assert not bench.note(*cluster.pids)
    assert len(gone) > 2, gone


def as_shards(bench: Bench, num_kills: int) -> None:
    name = "shards"

    def start(outputs: Path, number: int) -> subprocess.Popen[bytes]:
        flags = [
            "--out",
            outputs,
            "--model",
            "mini",
            "--device",
            "cpu",
            "--threads",
            1,
            "--lm-slots",
            4,
            "--no-measure",
        ]
        shard = ["--preview", bench.seconds, "--shard", f"{number + 1}/{NUM_SHARDS}"]
        command = python("-m", "renderer", "render", str(bench.folder / "specs"), *map(str, [*flags, *shard]))
        log = (bench.folder / f"shard-{number}.log").open("ab")
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=bench.folder)

    def carry_out(outputs: Path) -> Counter[str]:
        running = [start(outputs, number) for number in range(NUM_SHARDS)]
        while any(one.poll() is None for one in running):
            time.sleep(bench.drawn.uniform(0.5, 4.0))
            bench.note(psutil.Process())
            at_work = [number for number, one in enumerate(running) if one.poll() is None]
            if not at_work or bench.kills[name] == num_kills:
                continue
            victim = bench.drawn.choice(at_work)
            bench.kill(name, running[victim].pid)
            running[victim].wait()
            running[victim] = start(outputs, victim)
        assert [one.returncode for one in running] == [0] * NUM_SHARDS, [one.returncode for one in running]
        return Counter({"JobDone": sum(bench.done(outputs).values())})

    bench.run(name, carry_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=50, help="in all, of workers, renders and nodes")
    parser.add_argument("--preview", type=float, default=4.0, metavar="SECONDS")
    parser.add_argument("--only", choices=["workers", "shards", "ray"])
    asked = parser.parse_args()
    shutil.rmtree(asked.folder, ignore_errors=True)
    (asked.folder / "specs").mkdir(parents=True)
    for number in range(NUM_SONGS):
        (asked.folder / "specs" / f"song{number}.toml").write_text(SPEC.format(number=number))
    bench = Bench(folder=asked.folder.resolve(), seconds=asked.preview)
    on_workers(bench, 1, 0)
    share = -(-asked.kills // 4)
    if asked.only in {None, "workers"}:
        for number, kills in ((2, 0), (4, 0), (2, share), (4, share)):
            on_workers(bench, number, kills)
    if asked.only in {None, "shards"}:
        as_shards(bench, share)
    if asked.only in {None, "ray"}:
        on_ray(bench, share)
    assert len(set(bench.digests.values())) == 1, bench.digests
    print(f"{bench.kills.total()} kills, the same bytes in {len(bench.digests)} runs")


if __name__ == "__main__":
    main()
