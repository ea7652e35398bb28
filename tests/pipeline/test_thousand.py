"""A thousand takes: planned in a moment, and once finished, looked over in a moment, without torch."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from renderer.plan.jobs import Why
from renderer.report.build import write_page
from tests.bench.big_library import finish as finish_run
from tests.pipeline.thousand import NUM_SEEDS, NUM_SPECS, finish, write_specs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow

RUN = """
import sys
from renderer.cli.main import run
code = run(sys.argv[1:])
heavy = {"torch", "transformers", "diffusers"} & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""
COUNTED = f"""
import atexit, collections, json, os, sys
opened, here = collections.Counter(), os.getcwd() + os.sep

def count(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and os.path.abspath(arguments[0]).startswith(here):
        opened[os.path.abspath(arguments[0])[len(here):]] += 1

sys.addaudithook(count)
atexit.register(lambda: print(json.dumps(opened), file=sys.stderr))
{RUN}"""
IMPORTED = f"""
import atexit, json, sys
atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.stderr))
{RUN}"""
DRAWS = ("renderer.report", "jinja2", "numpy")
"""What makes a page."""


@pytest.fixture
def thousand(songs: Songs) -> Songs:
    write_specs(songs.folder / "specs")
    return songs


def files_opened(songs: Songs, *arguments: str) -> dict[str, int]:
    """How often one command line opened each of the project's files: the work that grows with the takes."""
    opened: dict[str, int] = told_by(COUNTED, songs, *arguments)
    return opened


def modules_of(songs: Songs, *arguments: str) -> list[str]:
    """The modules that one command line imported."""
    imported: list[str] = told_by(IMPORTED, songs, *arguments)
    return imported


def told_by(program: str, songs: Songs, *arguments: str) -> Any:
    """What a program around one command line tells, as JSON in the last line of its stderr."""
    options = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments, *options],
        cwd=songs.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


def test_a_thousand_takes_are_planned_by_reading_each_spec_once(thousand: Songs) -> None:
    files_opened(thousand, "plan", "--json")  # hashes the weights, which is remembered

    opened = files_opened(thousand, "plan", "--json")
    specs = {name: times for name, times in opened.items() if name.startswith("specs")}
    assert len(specs) == NUM_SPECS
    assert set(specs.values()) == {1}
    # Nothing was rendered: each take's record is asked for, and that is all.
    asked = {name: times for name, times in opened.items() if name.endswith(".json")}
    assert len(asked) == NUM_SPECS * NUM_SEEDS
    assert set(asked.values()) == {1}
    assert set(opened) - set(specs) - set(asked) <= {"renderer.toml", "outputs/.store/journal.jsonl"}


def test_a_finished_batch_is_looked_over_by_reading_each_record_once_and_no_audio(thousand: Songs) -> None:
    finish(thousand.project())
    assert all(take.why is Why.DONE for take in thousand.project().plan().takes)
    files_opened(thousand, "render", "--no-measure")  # writes the page that wasn't there
    page = (thousand.outputs / "report" / "index.html").stat()

    opened = files_opened(thousand, "render", "--no-measure")
    records = {name: times for name, times in opened.items() if name.endswith(".json")}
    assert len(records) == NUM_SPECS * NUM_SEEDS
    assert set(records.values()) == {1}
    assert sum(opened.values()) < NUM_SPECS * NUM_SEEDS + NUM_SPECS + 20
    assert not [name for name in opened if name.endswith((".flac", ".wav"))]
    assert opened.get("outputs/report/index.html", 0) <= 1  # its end is looked at
    assert (thousand.outputs / "report" / "index.html").stat().st_mtime_ns == page.st_mtime_ns
    assert not [name for name in modules_of(thousand, "render", "--no-measure") if name.startswith(DRAWS)]
    assert not (thousand.outputs / ".store" / "journal.jsonl").exists()


def opcodes(act: Callable[[], object]) -> int:
    """How many steps of the interpreter it takes: a measure of work that no clock has a part in."""
    counted = 0

    def count(frame: FrameType, event: str, argument: object) -> Callable[..., object]:
        nonlocal counted
        del argument
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        counted += event == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        act()
    finally:
        sys.settrace(before)
    return counted


def test_the_pages_work_grows_in_step_with_the_takes_that_the_last_run_made(make_songs: Callable[[str], Songs]) -> None:
    work = []
    for num_specs in (4, 16):
        songs = make_songs(f"of-{num_specs}")
        write_specs(songs.folder / "specs", num_specs)
        project = songs.project()
        finish_run(project, project.plan().takes)
        work.append(opcodes(lambda project=project: write_page(project)))  # type: ignore[misc]
    assert work[1] < 4.4 * work[0]


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
