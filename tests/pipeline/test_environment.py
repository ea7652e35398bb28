"""Another environment is told, not acted on; told to, it makes takes again and keeps what was there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.cli.main import run
from renderer.pipeline.status import make_status, versions
from renderer.plan.jobs import Why
from renderer.plan.reasons import environment_changes
from renderer.provenance import Environment
from tests.pipeline.without_models import carry_out, made

if TYPE_CHECKING:
    from renderer.artifacts import Artifact
    from renderer.pipeline.project import Project
    from renderer.plan.jobs import Job
    from tests.pipeline.conftest import Songs


def elsewhere(songs: Songs, **options: object) -> Project:
    """The project on a machine with another torch."""
    project = songs.project(**options)
    versions_there = {**project.environment.versions, "torch": "99.0"}
    project.environment = replace(project.environment, versions=versions_there)
    return project


def made_elsewhere(job: Job) -> Artifact:
    """Almost what was made here: another rounding."""
    artifact = made(job)
    if isinstance(artifact, Waveform):
        return Waveform(samples=artifact.samples * np.float32(0.99))
    return artifact


def test_another_environment_is_told_and_nothing_runs(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project())

    status = make_status(elsewhere(songs))

    assert {take.plan.why for take in status.takes} == {Why.DONE}
    assert {change.text for take in status.takes for change in take.elsewhere} == {
        f"torch {songs.project().environment.versions['torch']} → 99.0"
    }


H200 = Environment(device="cuda", gpu="NVIDIA H200", driver="580.159.03")


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        (H200, []),
        (replace(H200, gpu="NVIDIA A100-SXM4-80GB"), ["gpu NVIDIA A100-SXM4-80GB → NVIDIA H200"]),
        (replace(H200, driver="570.86.15"), ["driver 570.86.15 → 580.159.03"]),
        # Of before they were recorded: nothing says that it was another.
        (Environment(device="cuda"), []),
    ],
)
def test_another_gpu_or_driver_is_told_where_it_was_recorded(
    songs: Songs, recorded: Environment, told: list[str]
) -> None:
    songs.write("eins")
    project = songs.project()
    project.environment = H200

    assert [change.text for change in environment_changes(recorded, H200)] == told
    assert project.differs(recorded) == bool(told)


def test_refreshed_takes_are_made_again_and_the_former_ones_kept(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project())
    before = songs.audio()

    project = elsewhere(songs, refresh_environment=True)
    plan = project.plan()
    assert {take.why for take in plan.takes} == {Why.CHANGED}
    assert {change.name for take in plan.takes for change in take.changes} == {"torch"}
    carry_out(project, make=made_elsewhere)

    after = songs.audio()
    assert set(after) == set(before)
    assert all(after[name] != before[name] for name in before)
    assert {path.read_bytes() for path in songs.outputs.glob("*/old/*.flac")} == set(before.values())
    for take in elsewhere(songs).plan().takes:
        found = versions(project, take)
        assert [version.is_asked for version in found] == [True, False]
        assert all(version.place for version in found)
    assert all(take.why is Why.DONE for take in elsewhere(songs, refresh_environment=True).plan().takes)


def test_forced_takes_of_the_same_bytes_leave_no_former_version(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project())
    before = songs.audio()

    project = songs.project(force=True)
    assert {take.why for take in project.plan().takes} == {Why.FORCED}
    carry_out(project)

    assert songs.audio() == before
    assert list(songs.outputs.glob("*/old/*")) == []


@pytest.mark.parametrize("command", ["plan", "status"])
def test_other_surroundings_are_told_in_a_word(
    songs: Songs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Another number of threads sums in another order: some samples differ in the last bit."""
    songs.write("eins")
    carry_out(songs.project())
    monkeypatch.chdir(songs.folder)
    options = ["--device", "cpu", "--lm-slots", "2"]

    assert run([command, *options, "--threads", "1"]) == 0
    assert "environment" not in capsys.readouterr().out
    assert run([command, *options, "--threads", "3"]) == 0
    told = capsys.readouterr().out
    assert "2 made in another environment (threads 1 → 3): renderer render --refresh environment" in told
    assert run([command, *options, "--threads", "3", "--json"]) == 0
    takes = json.loads(capsys.readouterr().out)["takes"]
    assert [take["elsewhere"] for take in takes] == [[{"name": "threads", "old": 1, "new": 3}]] * 2
    assert run(["plan", *options, "--threads", "3"]) == 0
    assert "done (made with threads 1 → 3)" in capsys.readouterr().out
