"""A stage whose result is wanted though nothing builds on it: made beside the sound, and no reason to be made again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from renderer.models.ace_step.stages import FAMILY
from renderer.plan.jobs import Why
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from renderer.models.stage_spec import StageSpec
    from renderer.pipeline.project import Project
    from tests.pipeline.conftest import Songs


@pytest.fixture
def wanting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The family's table with a stage more, that takes want and nothing builds on."""
    table = cast("dict[str, StageSpec]", FAMILY.stages)
    row = replace(FAMILY.stages["latents"], name="echo", needs={"latents": "latents"}, wanted=True)
    monkeypatch.setitem(table, row.name, row)


def completing(songs: Songs) -> Project:
    return songs.project(timestamps=True)


@pytest.mark.usefixtures("wanting")
def test_a_new_take_gets_it_while_its_part_is_loaded(songs: Songs) -> None:
    songs.write("eins")

    plan = songs.project().plan()

    assert {"echo", "waveform"} <= set(plan.takes[0].runs)
    assert [group.part for group in plan.groups] == ["lm", "dit", "vae"]


def test_a_finished_take_stays_done_without_it(songs: Songs, request: pytest.FixtureRequest) -> None:
    songs.write("eins")
    carry_out(songs.project())

    request.getfixturevalue("wanting")

    take, plan = songs.project().plan().takes[0], songs.project().plan()
    assert (take.why, take.lacks, take.runs) == (Why.DONE, ("echo",), ())
    assert plan.jobs == ()


def test_asked_to_complete_a_finished_take_gets_only_that(songs: Songs, request: pytest.FixtureRequest) -> None:
    songs.write("eins")
    carry_out(songs.project())
    request.getfixturevalue("wanting")

    plan = completing(songs).plan()

    assert [(take.why, take.runs) for take in plan.takes] == [(Why.DONE, ("echo",))] * 2
    carry_out(completing(songs))
    assert completing(songs).plan().jobs == ()
    assert [take.lacks for take in songs.project().plan().takes] == [(), ()]


def test_what_it_builds_on_is_made_again_where_it_is_gone(songs: Songs, request: pytest.FixtureRequest) -> None:
    songs.write("eins")
    carry_out(songs.project())
    request.getfixturevalue("wanting")
    store = songs.project().store
    for artifact in tuple(store.artifacts()):
        if artifact.stage in ("latents", "codes"):
            store.forget(artifact)

    take = completing(songs).plan().takes[0]

    assert (take.why, take.runs) == (Why.DONE, ("codes", "latents", "echo"))


def test_a_take_that_only_shares_a_job_with_another_runs_nothing(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project(seeds=(1,)))
    store = songs.project().store
    for artifact in tuple(store.artifacts()):
        if artifact.stage == "cot":
            store.forget(artifact)

    by_name = {take.name: take for take in songs.project().plan().takes}

    assert by_name["eins.s1"].runs == ()
    assert "cot" in by_name["eins.s2"].runs
