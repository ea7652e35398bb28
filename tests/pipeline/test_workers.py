"""Several workers on one machine: asked for by options or `renderer.toml`; what they give is what one gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.cli.outlook import Outlook
from renderer.errors import ResourceError, UsageError
from renderer.pipeline.options import Options
from renderer.pipeline.pace_history import expected_times
from renderer.pipeline.preflight import least_room
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.report.last_run import last_run
from renderer.run.simulation import best

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.pipeline.conftest import Songs


def project_of(folder: Path, **options: object) -> Project:
    given = Options(**options)  # type: ignore[arg-type]
    return Project(select([str(folder / "specs")], given).takes, given)


def test_the_device_stands_in_renderer_toml_and_the_command_line_overrules_it(songs: Songs) -> None:
    songs.write("eins")
    defaults = songs.folder / "renderer.toml"
    defaults.write_text('device = "cuda:61,62"\n' + defaults.read_text("utf-8"), "utf-8")

    with pytest.raises((ResourceError, UsageError), match="cuda:61"):
        project_of(songs.folder)
    assert [one.device for one in project_of(songs.folder, device="cpu").workers.settings] == ["cpu"]


def test_songs_whose_defaults_name_several_devices_need_one_to_be_said(tmp_path: Path) -> None:
    for name, device in (("a", "cpu"), ("b", "auto")):
        (tmp_path / "specs" / name).mkdir(parents=True)
        (tmp_path / "specs" / name / "renderer.toml").write_text(f'device = "{device}"\noutputs = "../../o"\n')
        (tmp_path / "specs" / name / f"{name}.toml").write_text('caption = "slow blues"\ninstrumental = true\n')
    (tmp_path / ".git").mkdir()

    with pytest.raises(UsageError, match="name 2 devices"):
        project_of(tmp_path)
    assert len(project_of(tmp_path, device="cpu", workers=2).workers.settings) == 2


def test_workers_share_the_cores_unless_threads_are_given_and_each_needs_room(songs: Songs) -> None:
    songs.write("eins")

    cores = psutil.cpu_count(logical=False) or 1
    assert {one.threads for one in project_of(songs.folder, device="cpu", workers=2).workers.settings} == {
        max(1, cores // 2)
    }
    four = project_of(songs.folder, device="cpu", workers=4, threads=3).workers.settings
    assert [one.threads for one in four] == [3, 3, 3, 3]
    assert least_room(four)[1] < least_room(four[:1])[1] // 3


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one(make_songs: Callable[[str], Songs]) -> None:
    alone, both = make_songs("alone"), make_songs("both")
    for songs in (alone, both):
        for name in ("eins", "zwei", "drei"):
            songs.write(name)
    alone.render(preview=1.0)

    summary = render(both.project(preview=1.0, workers=2), listen=both.events.append)

    assert len(summary.rendered) == 6
    assert both.audio() == alone.audio()
    # What this run took is what the next one is expected to take, and its lanes are told.
    both.edit("eins", "bpm = 90", "bpm = 91")
    project = both.project(preview=1.0, workers=2)
    expected = expected_times(project.store.journal, "cpu")
    plan = project.plan()
    assert expected.knows(plan.jobs)
    schedule = best(plan, project.workers.settings, expected)
    head, *lanes = Outlook(schedule=schedule, devices=("cpu", "cpu"), measured=True).lines()
    assert head.startswith("expected: 0:")
    assert [lane.split(":")[0] for lane in lanes] == ["  cpu 1", "  cpu 2"]
    run = last_run(both.project().store)
    assert run.workers == ("cpu", "cpu")
    assert {job.worker for job in run.jobs} == {0, 1}
