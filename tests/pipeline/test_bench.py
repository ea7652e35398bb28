"""`renderer bench`: a set's parts measured in processes of their own, what that suggests, what plans make of it."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from renderer.cli.main import cli
from renderer.models.bench import record as records
from renderer.models.bench.figures import BenchFigure
from renderer.models.bench.stopwatch import Stopwatch
from renderer.pipeline.bench import SECONDS, TIME_WAS_UP, bench
from renderer.pipeline.bench_advice import record, suggestions
from renderer.pipeline.bench_tasks import subjects, tasks
from renderer.pipeline.options import Options
from renderer.pipeline.pace_history import batch_done, expected_times
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.run.events import BatchDone

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.conftest import Songs


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setattr(records.platformdirs, "user_cache_path", lambda _: tmp_path / "cache")
    return tmp_path


def project_of(songs: Songs, **options: object) -> Project:
    given = Options(device="cpu", threads=1, **options)  # type: ignore[arg-type]
    songs.write("night-bus")
    return Project(select((str(songs.folder / "specs"),), given).takes, given)


def subjects_of(project: Project) -> Any:
    return subjects(project.plan(), lambda settings: _numerics(project, settings), SECONDS)


def _numerics(project: Project, settings: Any) -> Any:
    from renderer.models.family import family_of

    variant = project.takes[0].variant
    return family_of(variant.model).plan_model(variant, settings).numerics


def figure(part: str, what: str, seconds: float, **others: Any) -> BenchFigure:
    return BenchFigure(
        part=part, what=what, dtype=others.pop("dtype", "float32"), device="cpu", seconds=seconds, **others
    )


@pytest.mark.slow
def test_every_part_is_measured_and_plans_go_by_it(tiny_set: Path, songs: Songs) -> None:
    heard: list[BenchFigure] = []
    options = Options(model=str(tiny_set), device="cpu", dtype="float32", threads=1, vae_tile=64, vae_overlap=8)
    result = bench(options, minutes=60, listen=heard.append)

    assert list(result.figures) == heard
    assert [one.said for one in heard] == [""] * len(heard)
    assert all(one.seconds and one.peak_bytes for one in heard)
    measured = [(one.part, one.what, one.slots) for one in heard]
    assert measured[:5] == [("lm", "load", None), *(("lm", "codes", slots) for slots in (4, 1, 2, 8))]
    assert {("dit", "load", None), ("dit", "latents", None), ("vae", "load", None)} < set(measured)
    assert next(one for one in heard if one.what == "waveform").tile == (64, 8)

    project = project_of(songs, dtype="float32", vae_tile=64, vae_overlap=8)
    plan = project.plan()
    assert expected_times(project.store.journal, "cpu").knows([job for job in plan.jobs if job.stage != "timestamps"])
    assert not expected_times(project.store.journal, "cuda:0").paces


@pytest.mark.slow
def test_the_document_is_fit_to_paste(tiny_set: Path) -> None:
    given = ("--model", str(tiny_set), "--device", "cpu", "--dtype", "float32", "--threads", "1", "--minutes", "0.1")
    ran = CliRunner().invoke(cli, ["bench", "--json", *given], catch_exceptions=False)

    document = json.loads(ran.stdout)
    assert ran.exit_code == 0
    assert document["figures"]
    # What doesn't fit into the time says so, and nothing in there tells whose machine it is.
    assert TIME_WAS_UP in {one.get("said") for one in document["figures"]}
    assert str(tiny_set.parent) not in ran.stdout
    assert socket.gethostname() not in ran.stdout


def test_what_a_render_took_counts_for_more_than_a_bench(songs: Songs) -> None:
    project = project_of(songs, dtype="float32")
    job = next(job for job in project.plan().jobs if job.stage == "codes")
    every = subjects_of(project)
    records.keep("cpu", record(every, [figure("lm", "codes", 0.1, slots=4, total=300)], project.settings))
    benched = expected_times(project.store.journal, "cpu")

    done = BatchDone(jobs=(job,), worker=0, seconds=1.0, song_seconds=20.0, load_seconds=None, is_first=False)
    (project.store.outputs / ".store").mkdir(parents=True)
    project.store.journal.add(batch_done(done, job, "cpu"))
    rendered = expected_times(project.store.journal, "cpu")

    assert benched.paces[job.stage, job.settings.weights] == pytest.approx(0.1 * 50 / 10)
    assert rendered.paces[job.stage, job.settings.weights] == pytest.approx(1.0 / 20.0)


def test_what_is_a_tenth_faster_is_suggested(songs: Songs) -> None:
    project = project_of(songs)
    settings, every = project.settings, subjects_of(project)
    steps = {1: 10.0, 2: 10.5, 4: 11.0, 8: 12.0}
    found = [
        *(figure("lm", "codes", seconds, slots=slots, total=300) for slots, seconds in steps.items()),
        figure("lm", "codes", 5.0, slots=4, total=300, dtype="bfloat16"),
        figure("dit", "latents", 20.0, total=8),
        figure("dit", "latents", 30.0, total=8, dtype="bfloat16"),
        figure("vae", "waveform", 4.0, tile=(512, 64), total=4),
        figure("vae", "waveform", 2.0, tile=(256, 8), total=7),
    ]

    told = list(suggestions(every, found, settings))

    assert [line.partition(":")[0] for line in told] == [
        "--lm-slots 8",
        "--vae-tile 256 --vae-overlap 8",
        "--dtype bfloat16",
    ]
    assert "1.8 × the songs of 4" in told[0]


def test_nothing_is_suggested_of_what_is_as_fast_or_was_not_measured(songs: Songs) -> None:
    project = project_of(songs)
    every = subjects_of(project)
    even = [
        *(figure("lm", "codes", 1.0 * slots, slots=slots, total=300) for slots in (1, 2, 4, 8)),
        figure("vae", "waveform", 4.0, tile=(512, 64), total=4),
        replace(figure("vae", "waveform", 1.0, tile=(256, 8)), seconds=None, said=TIME_WAS_UP),
    ]

    assert list(suggestions(every, even, project.settings)) == []
    assert list(suggestions(every, [], project.settings)) == []


def test_a_dtype_that_was_asked_for_is_the_only_one_measured(songs: Songs) -> None:
    asked, own = (project_of(songs, **given) for given in ({"dtype": "float32"}, {}))

    measured = [{task.dtype for task in tasks(subjects_of(one), one.settings)} for one in (asked, own)]

    assert measured == [{"float32"}, {"float32", "bfloat16"}]


def test_a_clock_leaves_out_what_warms_up_and_ends_a_stage_once_enough_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter((100.0, 110.0, 111.0, 112.0, 113.0))
    monkeypatch.setattr("renderer.models.bench.stopwatch.time.perf_counter", lambda: next(now))
    clock = Stopwatch(began=0.0)
    for done in range(1, 6):
        clock.progress("a", done, 300, "tokens")
        clock.progress("b", done, 300, "tokens")

    assert clock.unit_seconds == 1.0
    assert (clock.unit, clock.total, len(clock.marks)) == ("tokens", 300, 5)
    monkeypatch.undo()
    clock.progress("a", 40, 300, "tokens")
    assert clock.cancelled("a")
