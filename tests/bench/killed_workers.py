"""Forty takes of `mini` on 1, 2 and 4 CPU workers, then with workers killed at random: the same bytes, each job once.

`python -m tests.bench.killed_workers FOLDER --kills 20`; fails where a byte differs, a job was done twice by the
journal, a take is missing or a process is left over.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.run.events import JobDone, WorkerLeftOut, WorkerRestarted
from renderer.store.journal_lines import JobDoneLine

if TYPE_CHECKING:
    from renderer.run.events import RunEvent

SPEC = """\
caption = "slow blues number {number}, piano"
lyrics = "[verse]\\nthe rain came down on number {number}"
seeds = [1, 2, 3, 4]
[metas]
duration = 10
bpm = 90
"""
NUM_SONGS = 10


def one_run(folder: Path, workers: int, kills: int, seconds: float, random_: random.Random) -> tuple[str, Counter[str]]:
    """Digest of all audio, and what happened."""
    options = Options(
        device="cpu", workers=workers, threads=1, lm_slots=4, outputs=folder, preview=seconds, model="mini"
    )
    project = Project(select([str(folder.parent / "specs")], options).takes, options)
    executor, told = project.executor(), Counter[str]()
    every = max(1, 3 * 40 // (kills + 1))
    mine = set[int]()

    def hear(event: RunEvent) -> None:
        mine.update(executor.pids)
        told[type(event).__name__] += isinstance(event, JobDone | WorkerRestarted | WorkerLeftOut)
        due = isinstance(event, JobDone) and told["JobDone"] % every == 0
        if due and told["killed"] < kills and executor.pids:
            told["killed"] += 1
            with suppress(ProcessLookupError):
                os.kill(random_.choice(executor.pids), signal.SIGKILL)

    began = time.monotonic()
    summary = render(project, listen=hear, executor=executor)
    executor.end()
    assert not summary.failures, summary.failures
    assert len(summary.rendered) == 4 * NUM_SONGS, summary
    assert not [pid for pid in mine if psutil.pid_exists(pid)], "a worker is left over"
    done = Counter(line.key for entry in project.store.journal.lines() if isinstance(line := entry.line, JobDoneLine))
    assert max(done.values()) == 1, done.most_common(1)
    whole = hashlib.sha256()
    for path in sorted(folder.glob("song*/*.flac")):
        whole.update(path.name.encode() + path.read_bytes())
    print(f"{workers} workers, {told['killed']} kills: {time.monotonic() - began:.0f} s, {dict(told)}", flush=True)
    return whole.hexdigest(), told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=10, help="of workers, in each of the runs with kills")
    parser.add_argument("--preview", type=float, default=4.0, metavar="SECONDS")
    asked = parser.parse_args()
    shutil.rmtree(asked.folder, ignore_errors=True)
    (asked.folder / "specs").mkdir(parents=True)
    for number in range(NUM_SONGS):
        (asked.folder / "specs" / f"song{number}.toml").write_text(SPEC.format(number=number))
    random_, digests = random.Random(25), set[str]()
    for workers, kills in ((1, 0), (2, 0), (4, 0), (2, asked.kills), (4, asked.kills)):
        digest, _ = one_run(asked.folder / f"on-{workers}-{kills}", workers, kills, asked.preview, random_)
        digests.add(digest)
    assert len(digests) == 1, digests
    print("the same bytes:", digests.pop()[:16])


if __name__ == "__main__":
    main()
