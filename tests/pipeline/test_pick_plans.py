"""`[pick]`: the LM writes many plans, the best are finished; which ones, the run decides from stored scores."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from renderer.artifacts import PlanScore
from renderer.cli.main import run
from renderer.errors import UsageError
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select
from renderer.pipeline.stop import Stop
from renderer.plan.jobs import Why
from renderer.plan.shards import Shard, names_in
from renderer.report.build import make_report
from renderer.report.values import Outcome
from renderer.run.events import JobDone
from renderer.spec.load import load_songs
from renderer.spec.picks import Pick, Vote
from renderer.takes.pin import pin
from renderer.takes.votes import write_picks
from tests.pipeline.without_models import carry_out, made

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job, Plan
    from tests.pipeline.conftest import Songs

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = \"\"\"
[verse]
la la la
\"\"\"
seeds = [7, 3]
[metas]
bpm = 90
duration = 10
[pick]
plans = 5
finish = 2
"""
NAMES = ("eins.s7", "eins.s3", "eins.s4", "eins.s5", "eins.s6")
SCORES = dict(zip(NAMES, (0.2, 0.9, 0.1, 0.6, 0.4), strict=True))
BEST = {"eins.s3", "eins.s5"}


def with_scores(job: Job) -> Artifact:
    """What the models would give, and scores as they are said here."""
    return PlanScore(metas={"bpm": SCORES[job.takes[0]]}) if job.spec.artifact is PlanScore else made(job)


def rendered(songs: Songs) -> set[str]:
    return {path.stem for path in songs.outputs.glob("*/*.flac")}


def why(plan: Plan) -> dict[str, Why]:
    return {take.name: take.why for take in plan.takes}


def scored(songs: Songs) -> Mapping[str, float]:
    project = songs.project()
    stored = {take.name: project.store.get("plan_score", take.keys["plan_score"]) for take in project.plan().takes}
    return {name: one.score for name, one in stored.items() if isinstance(one, PlanScore)}


def test_plans_use_the_songs_seeds_and_count_up_from_the_last(songs: Songs) -> None:
    songs.write("eins", SPEC)
    songs.write("zwei", SPEC.replace("seeds = [7, 3]", "seeds = [4294967294]"))
    songs.write("drei", SPEC.replace("seeds = [7, 3]", "seeds = [1, 2, 3, 4, 5, 6, 7]"))

    takes = [take.name for take in songs.project().takes]

    assert tuple(name for name in takes if name.startswith("eins")) == NAMES
    assert [name for name in takes if name.startswith("zwei")] == [
        f"zwei.s{seed}" for seed in (4294967294, 4294967295, 0, 1, 2)
    ]
    assert len([name for name in takes if name.startswith("drei")]) == 7
    named = songs.project(seeds=(11, 12, 13)).takes
    assert [take.seed for take in named if take.song.name == "eins"] == [11, 12, 13]


def test_before_there_are_scores_as_many_jobs_as_will_run_are_reckoned_with(songs: Songs) -> None:
    songs.write("eins", SPEC)
    plan = songs.project().plan()

    counts = {stage: sum(job.stage == stage for job in plan.as_if_picked.jobs) for stage in plan.takes[0].keys}

    assert counts == {"cot": 1, "codes": 5, "plan_score": 5, "latents": 2, "waveform": 2}
    assert [group.part for group in plan.groups] == ["lm", "dit", "vae"]
    assert plan.takes[0].runs_text == "cot → codes → plan_score, if picked latents → waveform"


def test_the_best_are_finished_and_the_others_are_not_picked(songs: Songs) -> None:
    songs.write("eins", SPEC)

    carry_out(songs.project(), with_scores)

    assert rendered(songs) == BEST
    plan = songs.project().plan()
    assert plan.jobs == ()
    assert why(plan) == {name: Why.DONE if name in BEST else Why.NOT_PICKED for name in NAMES}
    outcomes = {take.name: take.outcome for take in make_report(songs.project()).takes}
    assert outcomes == {name: Outcome.DONE if name in BEST else Outcome.NOT_PICKED for name in NAMES}


def test_a_finished_take_has_the_bytes_it_has_without_a_pick(songs: Songs) -> None:
    songs.write("eins", SPEC)
    keys = {take.name: take.key for take in songs.project().plan().takes}
    songs.write("eins", SPEC.partition("[pick]")[0])

    assert keys["eins.s3"] == {take.name: take.key for take in songs.project().plan().takes}["eins.s3"]


def test_kept_takes_come_whatever_they_score_and_so_do_finished_ones(songs: Songs) -> None:
    path = songs.write("eins", SPEC.partition("[pick]")[0])
    carry_out(songs.project(seeds=(4,)), with_scores)
    songs.write("eins", SPEC)
    (song,) = load_songs([path]).songs
    write_picks(song, {"eins.s6": Pick(vote=Vote.KEEP), "eins.s7": Pick(vote=Vote.REJECT)})

    plan = songs.project().plan()

    assert plan.picks[0].always == {"eins.s4", "eins.s6"}
    assert {take.name: take.runs for take in plan.takes}["eins.s4"] == ("plan_score",)
    carry_out(songs.project(), with_scores)
    assert rendered(songs) == BEST | {"eins.s4", "eins.s6"}


def test_a_take_that_is_named_is_finished(songs: Songs, monkeypatch: pytest.MonkeyPatch) -> None:
    songs.write("eins", SPEC)
    carry_out(songs.project(), with_scores)
    monkeypatch.chdir(songs.folder)
    given = Options(device="cpu", threads=1, lm_slots=2)

    named = Project(select(["eins.s4"], given).to_render, given)

    assert {take.name: take.runs for take in named.plan().takes} == {"eins.s4": ("latents", "waveform")}
    carry_out(named, with_scores)
    assert why(songs.project().plan())["eins.s4"] is Why.DONE
    assert songs.project().plan().jobs == ()


def test_the_same_takes_come_from_a_plan_of_some_of_them(songs: Songs) -> None:
    songs.write("eins", SPEC)
    project = songs.project()

    some = project.plan([take for take in project.takes if take.name == "eins.s6"])

    assert {take.name for take in some.takes} == set(NAMES)
    assert some.picks[0].finish == 2
    carry_out(project, with_scores)
    assert why(project.plan([take for take in project.takes if take.name == "eins.s6"])) == {"eins.s6": Why.NOT_PICKED}


def test_a_shard_has_all_plans_that_are_compared(songs: Songs) -> None:
    for name in ("eins", "zwei", "drei"):
        # Nothing is left to the LM, so that takes share no chain of thought.
        songs.write(name, SPEC.replace("bpm = 90", 'bpm = 90\nkeyscale = "A minor"\ntimesignature = "4"'))
    plan = songs.project().plan()

    shares = [names_in(plan, Shard(number=number, count=2)) for number in (1, 2)]

    assert {len(share) for share in shares} == {5, 10}


def test_variants_pick_their_own_and_edits_are_left_alone(songs: Songs) -> None:
    variants = (
        '[variants.wide]\nshift = 2.0\n[edits.fix]\ntask = "repaint"\nsrc_audio = "s4"\nseeds = [1]\nat = [[2, 5]]\n'
    )
    songs.write("eins", SPEC + variants)

    plan = songs.project().plan()

    assert [pick.takes[0] for pick in plan.picks] == ["eins.s7", "eins.wide.s7"]
    assert [sorted(pick.always) for pick in plan.picks] == [["eins.s4"], []]  # an edit is made of it
    by_name = {take.name: take for take in plan.takes}
    assert by_name["eins.fix.s1"].if_picked == by_name["eins.s4"].if_picked == ()


def test_a_preview_and_a_first_seed_pick_nothing(songs: Songs) -> None:
    songs.write("eins", SPEC)

    assert [take.seed for take in songs.project(preview=5.0).takes] == [7, 3]
    assert songs.project(preview=5.0).plan().picks == ()
    assert [take.name for take in songs.project(first_seed=True).takes] == ["eins.s7"]
    assert songs.project(first_seed=True).plan().picks == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("finish = 2", "finish = 6", "pick-finish", 14),
        ("[pick]", "[inference]\nthinking = false\n[pick]", "pick-without-plans", 14),
        ("plans = 5", "plans = 0", "plans-range", 13),
        ("plans = 5", "plan = 5", "unknown-key", 13),
    ],
)
def test_what_can_not_be_picked_is_a_fault_at_its_place(songs: Songs, old: str, new: str, code: str, line: int) -> None:
    path = songs.write("eins", SPEC.replace(old, new))

    errors = [found for found in load_songs([path]).diagnostics if found.level == "error"]

    assert [(found.code, found.span.line if found.span else 0) for found in errors] == [(code, line)]


def test_renderer_toml_picks_for_all_songs_and_a_spec_says_otherwise(songs: Songs) -> None:
    defaults = songs.folder / "renderer.toml"
    defaults.write_text(defaults.read_text("utf-8") + "[pick]\nplans = 6\nfinish = 3\n", "utf-8")
    plain = songs.write("eins", SPEC.partition("[pick]")[0])
    own = songs.write("zwei", SPEC.replace("plans = 5\n", ""))

    picks = {song.name: song.pick for path in (plain, own) for song in load_songs([path]).songs}

    assert {name: (pick.plans, pick.finish) for name, pick in picks.items() if pick} == {"eins": (6, 3), "zwei": (6, 2)}


@pytest.mark.parametrize("number", ["plans = 2\nfinish = 1", "plans = 16\nfinish = 2", "plans = 1\nfinish = 1"])
def test_what_renderer_toml_picks_leaves_songs_without_plans_whole(
    songs: Songs, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = songs.folder / "renderer.toml"
    defaults.write_text(f"{defaults.read_text('utf-8')}[pick]\n{number}\n", "utf-8")
    plain = SPEC.partition("[pick]")[0]
    songs.write("eins", plain + "[inference]\nthinking = false\n")
    songs.write("zwei", plain + "[variants.direct]\nthinking = false\n")
    monkeypatch.chdir(songs.folder)

    takes = {take.name: take for take in songs.project().plan().takes}

    whole = [name for name in takes if name.startswith(("eins.", "zwei.direct."))]
    assert sorted(whole) == ["eins.s3", "eins.s7", "zwei.direct.s3", "zwei.direct.s7"]
    assert not any(takes[name].if_picked for name in whole)
    assert takes["zwei.s3"].if_picked
    assert run(["check"]) == 0


def test_a_song_that_renderer_toml_picks_of_can_be_pinned(songs: Songs) -> None:
    defaults = songs.folder / "renderer.toml"
    defaults.write_text(defaults.read_text("utf-8") + "[pick]\nplans = 5\nfinish = 2\n", "utf-8")
    songs.write("eins", SPEC.partition("[pick]")[0])
    carry_out(songs.project(), with_scores)

    pin(songs.project(), "eins.s3", {})

    assert {take.name: take.runs for take in songs.project().plan().takes} == {
        "eins.s7": ("latents", "waveform"),
        "eins.s3": (),
    }


def test_a_spec_that_picks_of_more_seeds_than_plans_needs_plans_too(songs: Songs) -> None:
    off = SPEC.replace("seeds = [7, 3]", "seeds = [1, 2, 3]").replace("plans = 5\nfinish = 2", "plans = 1\nfinish = 1")
    path = songs.write("eins", off + "[inference]\nthinking = false\n")

    (error,) = [found for found in load_songs([path]).diagnostics if found.level == "error"]

    assert (error.code, error.help) == ("pick-without-plans", "take `[pick]` out")


def test_a_model_without_a_score_for_plans_refuses(songs: Songs, monkeypatch: pytest.MonkeyPatch) -> None:
    from renderer.models.ace_step.stages import FAMILY

    songs.write("eins", SPEC)
    row = replace(FAMILY.stages["plan_score"], ask=lambda _: None)
    monkeypatch.setitem(FAMILY.stages, "plan_score", row)  # type: ignore[arg-type]  # a table's row, for this test

    with pytest.raises(UsageError, match="has no score for plans"):
        songs.project().plan()


def test_status_and_plan_tell_what_is_picked(
    songs: Songs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    songs.write("eins", SPEC)
    monkeypatch.chdir(songs.folder)
    options = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")

    assert run(["plan", *options]) == 0
    told = capsys.readouterr().out
    assert "eins: 5 plans, the best 2 are finished" in told
    assert "2 of 5 takes to render, 15 jobs" in told
    assert run(["plan", "--json", *options]) == 0
    expected = json.loads(capsys.readouterr().out)["expected"]
    assert expected["seconds"] < expected["seconds_if_all"]
    carry_out(songs.project(), with_scores)

    assert run(["status", *options]) == 0
    told = capsys.readouterr().out
    assert "2 of 2 takes done" in told
    assert "3 not picked" in told
    assert run(["status", "--json", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {take["take"]: take["why"] for take in document["takes"]} == {
        name: "done" if name in BEST else "not picked" for name in NAMES
    }
    assert run(["status", "eins.s4", *options]) == 0
    assert "not picked eins.s4" in capsys.readouterr().out


@pytest.mark.slow
def test_a_real_run_finishes_what_its_own_scores_choose_and_ends_well(songs: Songs) -> None:
    songs.write("eins", SPEC)

    summary = songs.render()

    scores = scored(songs)
    best = set(sorted(scores, key=lambda name: -scores[name])[:2])
    assert len(scores) == 5
    assert set(summary.rendered) == rendered(songs) == best
    assert set(summary.not_picked) == set(NAMES) - best
    assert summary.unfinished == summary.failures == ()
    assert "3 not picked" in summary.headline
    assert dict(summary.loads)["lm"] == 1
    stages = [event.job.stage for event in songs.events if isinstance(event, JobDone)]
    assert stages.index("latents") > max(at for at, stage in enumerate(stages) if stage == "plan_score")
    again = songs.render()
    assert (again.rendered, len(again.kept), len(again.not_picked)) == ((), 2, 3)


@pytest.mark.slow
def test_a_deadline_in_waves_chooses_the_same_takes_in_the_same_bytes(make_songs: Callable[[str], Songs]) -> None:
    plain, waves = make_songs("plain"), make_songs("waves")
    for songs in (plain, waves):
        songs.write("eins", SPEC)
        songs.write("zwei", SPEC)
    plain.render()
    noon = datetime(2026, 11, 30, 12, 0).astimezone()

    summary = render(
        waves.project(),
        listen=waves.events.append,
        stop=Stop(noon, clock=lambda: noon - timedelta(days=1)),
        executor=waves.executor,
    )

    assert (summary.stopped, summary.unfinished, len(summary.rendered), len(summary.not_picked)) == (None, (), 4, 6)
    assert waves.audio() == plain.audio()
