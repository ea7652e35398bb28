"""In a terminal, a row for each of several workers: what it is at, how much it did, and that it was left out."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.console import Console

from renderer.errors import WorkerDied
from renderer.progress import showing
from renderer.run.events import JobDone, JobProgress, PartStarted, RunPlanned, WorkerLeftOut
from renderer.run.worker_names import worker_names
from tests.run.contract.harness import plan_of, registered
from tests.run.contract.toy import ToyRequest

if TYPE_CHECKING:
    from pathlib import Path


def shown(folder: Path, devices: tuple[str, ...], height: int = 30) -> list[str]:
    """The terminal's last picture of a run, a line each."""
    file = io.StringIO()
    console = Console(file=file, width=80, height=height, force_terminal=True, highlight=False)
    with registered():
        plan = plan_of(folder, ToyRequest(name="rain"), ToyRequest(name="snow"))
        rain, snow = plan.groups[0].jobs
        with showing(console) as listen:
            listen(RunPlanned(plan=plan, devices=devices))
            listen(PartStarted(group=plan.groups[0], num_jobs=2))
            listen(JobProgress(job=rain, done=1, total=4, unit="steps", worker=0))
            listen(JobDone(job=rain, seconds=1.0, worker=0))
            if len(devices) > 1:
                listen(JobProgress(job=snow, done=3, total=4, unit="steps", worker=1))
                listen(WorkerLeftOut(worker=1, error=WorkerDied("it died")))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    return [line for line in re.split(r"[\r\n]+", text) if line.strip()]


def test_each_worker_has_a_row_with_what_it_is_at(tmp_path: Path) -> None:
    lines = shown(tmp_path, ("cuda:0", "cuda:1"))

    assert any(re.search(r"cuda:0 .* 1 .*pencil: rain at 1/4 steps", line) for line in lines), lines
    assert any(re.search(r"cuda:1 .* 0 .*left out", line) for line in lines), lines
    assert any(re.search(r"pencil .* 1/2", line) for line in lines), lines


def test_one_worker_and_more_than_the_terminal_holds_have_none(tmp_path: Path) -> None:
    assert not [line for line in shown(tmp_path, ("cuda:0",)) if "cuda" in line]
    many = tuple(f"cuda:{number}" for number in range(8))
    assert not [line for line in shown(tmp_path, many, height=12) if "cuda" in line]


def test_workers_that_share_a_devices_name_have_numbers() -> None:
    assert worker_names(("cuda:0", "cuda:2")) == ["cuda:0", "cuda:2"]
    assert worker_names(("cpu", "cpu")) == ["cpu 1", "cpu 2"]
