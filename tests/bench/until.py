"""What is audible at a deadline, of real renders with `mini`: `python -m tests.bench.until FOLDER [--takes 60]`.

First the whole batch without a deadline, then the same batch anew with deadlines at shares of the time that took.
Beside the takes that were whole in time stands what one wave could have made of it, had all times been known: the
loads, and of each stage what its jobs took in the whole batch. Prints a table and one line of JSON, and
tells the machine's load.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.pipeline.stop import Stop
from renderer.run.events import JobDone, JobProgress, PartStarted, TakeDone

if TYPE_CHECKING:
    from renderer.run.events import RunEvent

SHARES = (0.1, 0.3, 0.6, 0.9)
NUM_SONGS = 3
SPEC = """
title = "Night {number}"
caption = "calm piano, brushed drums, number {number}"
lyrics = '''
[verse]
A light in the harbour

[chorus]
Stay a little longer
'''
seeds = [{seeds}]
[metas]
bpm = 90
duration = 10
"""


class Timeline:
    """When what happened, in seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.takes: list[float] = []
        self.jobs = Counter[str]()
        self.loads: dict[str, float] = {}
        self.stages: dict[str, float] = {}
        """Stage -> seconds from its first sign of life to its last job."""
        self._part: tuple[str, float] | None = None
        self._first: dict[str, float] = {}

    def listen(self, event: RunEvent) -> None:
        """Note it."""
        now = time.monotonic() - self._began
        match event:
            case PartStarted(part=part):
                self._part = (part, now)
            case JobProgress(job=job):
                self._alive(job.stage, now)
            case JobDone(job=job, seconds=seconds):
                self._alive(job.stage, now - seconds)
                self.jobs[job.stage] += 1
                self.stages[job.stage] = now - self._first[job.stage]
            case TakeDone():
                self.takes.append(now)
            case _:
                pass

    def _alive(self, stage: str, now: float) -> None:
        self._first.setdefault(stage, now)
        if self._part:
            self.loads.setdefault(self._part[0], now - self._part[1])
            self._part = None

    def best(self, seconds: float, num_takes: int) -> int:
        """Takes that one wave makes in so many seconds, each stage's time shared out evenly."""
        a_take = sum(self.stages[stage] / num_takes for stage in self.stages)
        return max(0, min(num_takes, int((seconds - sum(self.loads.values())) / a_take)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--takes", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    folder, each = options.folder.resolve(), options.takes // NUM_SONGS
    specs = folder / "specs"
    specs.mkdir(parents=True)
    for number in range(NUM_SONGS):
        seeds = ", ".join(map(str, range(1, each + 1)))
        (specs / f"night-{number}.toml").write_text(SPEC.format(number=number, seeds=seeds), "utf-8")
    asked = Options(model="mini", device="cpu", threads=options.threads)
    whole = batch(specs, asked, None)
    seconds, num_takes = whole.takes[-1], len(whole.takes)
    print(f"{num_takes} takes in {seconds:.1f} s, load {os.getloadavg()[0]:.1f}, loads {_told(whole.loads)}")
    rows = []
    for share in SHARES:
        deadline = share * seconds
        cut = batch(specs, asked, deadline)
        heard = sum(at <= deadline for at in cut.takes)
        rows.append({"share": share, "heard": heard, "best": whole.best(deadline, num_takes), "late": len(cut.takes)})
        print(
            f"{share:.0%}, {deadline:.1f} s: {heard} audible, at best {rows[-1]['best']}; load {os.getloadavg()[0]:.1f}"
        )
    print(json.dumps({"seconds": seconds, "takes": num_takes, "rows": rows}))


def batch(specs: Path, options: Options, seconds: float | None) -> Timeline:
    """A render of all specs into a fresh folder, stopped after so many seconds."""
    outputs = specs.parent / "outputs"
    shutil.rmtree(outputs, ignore_errors=True)
    project = Project(select([str(specs)], options).takes, options)
    timeline = Timeline()
    until = None if seconds is None else datetime.now().astimezone() + timedelta(seconds=seconds)
    render(project, listen=timeline.listen, stop=Stop(until))
    return timeline


def _told(loads: dict[str, float]) -> str:
    return ", ".join(f"{part} {seconds:.1f} s" for part, seconds in loads.items())


if __name__ == "__main__":
    main()
