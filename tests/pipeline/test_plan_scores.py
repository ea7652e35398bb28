"""Scores of plans: made when they are wanted, and then told of the take."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.artifacts import PlanScore
from renderer.plan.jobs import Why
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from tests.pipeline.conftest import Songs


def test_nobody_who_did_not_ask_pays_for_scores(songs: Songs) -> None:
    songs.write("eins")

    plan = songs.project().plan()

    assert {job.stage for job in plan.jobs} == {"cot", "codes", "latents", "waveform"}
    assert "plan_score" not in plan.takes[0].keys


def test_scores_move_no_key_and_come_before_any_diffusion(songs: Songs) -> None:
    songs.write("eins")
    plain, scored = songs.project().plan(), songs.project(plan_scores=True).plan()

    assert [take.key for take in scored.takes] == [take.key for take in plain.takes]
    assert [group.part for group in scored.groups] == ["lm", "dit", "vae"]
    assert {job.stage for job in scored.groups[0].jobs} == {"cot", "codes", "plan_score"}


def test_a_finished_take_gets_its_score_and_stays_as_it_is(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project())
    audio = songs.audio()

    plan = songs.project(plan_scores=True).plan()

    assert [(take.why, take.runs) for take in plan.takes] == [(Why.DONE, ("plan_score",))] * 2
    carry_out(songs.project(plan_scores=True))
    assert songs.audio() == audio
    project = songs.project()
    for take in project.plan().takes:
        (record,) = project.store.versions(take.name)
        score = project.store.get("plan_score", record.keys["plan_score"])
        assert isinstance(score, PlanScore)
        sidecar = tomllib.loads((songs.outputs / take.file).with_suffix(".toml").read_text("utf-8"))
        assert sidecar["made"]["noted"]["plan_score"]["score"] == score.score
    assert songs.project(plan_scores=True).plan().jobs == ()


def test_the_beginning_of_a_song_has_no_score(songs: Songs) -> None:
    songs.write("eins")

    plan = songs.project(plan_scores=True, preview=5.0).plan()

    assert "plan_score" not in {job.stage for job in plan.jobs}


@pytest.mark.slow
def test_a_real_run_scores_each_take_and_tells_it(songs: Songs) -> None:
    songs.write("eins")

    summary = songs.render(plan_scores=True)

    assert len(summary.rendered) == 2
    recipe = tomllib.loads((songs.outputs / "eins" / "eins.s1.toml").read_text("utf-8"))
    told = recipe["made"]["noted"]["plan_score"]
    assert set(told) >= {"score", "caption", "lyrics", "metas"}
    assert 0 < told["score"] < 1
