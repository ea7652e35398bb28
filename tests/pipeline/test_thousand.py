"""A thousand takes: planned in a moment, and once finished, looked over in a moment, without torch."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.plan.jobs import Why
from renderer.store.disk import RealDisk
from renderer.store.store import Store
from renderer.store.takes import TakeRecord

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.pipeline.project import Project
    from tests.pipeline.conftest import Songs

NUM_SPECS, NUM_SEEDS = 100, 10
SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = \"\"\"
[verse]
la la la la la la la la
la la la la la la la la
[chorus]
la la la la la la la la
\"\"\"
seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
[metas]
bpm = 90
duration = 30
"""
RUN = """
import sys
from renderer.cli.main import run
code = run(sys.argv[1:])
heavy = {"torch", "transformers", "diffusers"} & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""


class HastyDisk(RealDisk):
    """A disk that doesn't wait for the drive; a thousand takes are laid out in no time."""

    def flush(self, path: Path) -> None:
        pass

    def flush_folder(self, folder: Path) -> None:
        pass


@pytest.fixture
def thousand(songs: Songs) -> Songs:
    for number in range(NUM_SPECS):
        songs.write(f"song{number:03}", SPEC)
    return songs


def finish(project: Project) -> None:
    """Leave on disk what a finished render of all takes leaves, with a few bytes of audio each."""
    store = Store(project.store.outputs, HastyDisk())
    store.prepare()
    for take in project.plan().takes:
        path = store.outputs / take.file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(take.key.encode())
        record = TakeRecord(
            key=take.key,
            take=take.name,
            song=take.take.song.name,
            file=take.file,
            num_bytes=64,
            mtime_ns=path.stat().st_mtime_ns,
            digest=hashlib.sha256(take.key.encode()).hexdigest(),
            requests=take.requests,
            keys=dict(take.keys),
            environment=project.environment,
            page={
                "peaks": "A" * 2_000,
                "seconds": 30.0,
                "notes": {"cot": {"text": "x" * 1_000, "prompt": "y" * 2_000}},
            },
        )
        store.put_take(record)


def cpu_seconds(songs: Songs, *arguments: str) -> float:
    """Processor time of one command line: what it takes on a machine with nothing else to do."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    options = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments, *options],
        cwd=songs.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_thousand_takes_are_planned_in_two_seconds(thousand: Songs) -> None:
    cpu_seconds(thousand, "plan", "--json")  # hashes the weights, which is remembered

    assert cpu_seconds(thousand, "plan", "--json") < 2.0


def test_a_finished_batch_of_a_thousand_is_looked_over_in_a_second_and_a_half(thousand: Songs) -> None:
    finish(thousand.project())
    assert all(take.why is Why.DONE for take in thousand.project().plan().takes)
    cpu_seconds(thousand, "render", "--no-measure")  # writes the page that wasn't there

    assert cpu_seconds(thousand, "render", "--no-measure") < 1.5
    assert not (thousand.outputs / ".store" / "journal.jsonl").exists()


def resident(process: psutil.Process) -> float:
    """MB."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.memory_info().rss / 1e6
    return 0.0


def grown(samples: list[tuple[int, float, float]], process: int) -> float:
    """MB between the second and the last hundred takes, by the medians."""
    early = [sample[process] for sample in samples if 100 <= sample[0] < 200]
    late = [sample[process] for sample in samples if 900 <= sample[0] < 1000]
    return statistics.median(late) - statistics.median(early)


@pytest.mark.long
def test_neither_parent_nor_worker_grows_over_a_thousand_takes(thousand: Songs) -> None:
    for spec in (thousand.folder / "specs").glob("*.toml"):
        switches = "[inference]\nthinking = false\nuse_cot_metas = false\n[metas]"
        spec.write_text(spec.read_text("utf-8").replace("[metas]", switches), "utf-8")
    options = ("--device", "cpu", "--threads", "1", "--preview", "1", "--no-measure")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", RUN, "render", *options]
    log = (thousand.folder / "log").open("wb")
    parent = subprocess.Popen(command, cwd=thousand.folder, env=environment, stdout=log, stderr=log)
    stages: dict[str, list[tuple[int, float, float]]] = {"latents": [], "waveform": []}
    journal = thousand.outputs / ".store" / "journal.jsonl"
    while parent.poll() is None:
        time.sleep(0.5)
        lines = journal.read_bytes().splitlines() if journal.exists() else []
        workers = psutil.Process(parent.pid).children() if parent.poll() is None else []
        if not workers:
            continue
        stage = "waveform" if any(b'"take-done"' in line for line in lines) else "latents"
        done = sum(b'"job-done"' in line and f'"{stage}"'.encode() in line for line in lines)
        stages[stage].append((done, resident(psutil.Process(parent.pid)), resident(workers[0])))
    log.close()

    assert parent.returncode == 0, (thousand.folder / "log").read_text("utf-8")[-2000:]
    for stage, samples in stages.items():
        growth = [round(grown(samples, process), 1) for process in (1, 2)]
        print(f"{stage}: parent {samples[-1][1]:.0f} MB, worker {samples[-1][2]:.0f} MB, grown by {growth} MB")
        assert all(megabytes < 20 for megabytes in growth), (stage, growth)
