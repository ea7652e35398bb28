"""Every kind of edit runs what it must and no more, is explained in the spec's words, and does what is told."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renderer.models.ace_step.protocol.requests import LatentsRequest
from renderer.plan.jobs import Why
from renderer.plan.reasons import changes_between
from renderer.settings import neutral_values
from tests.models.catalog.vaes import write_vae
from tests.pipeline.without_models import carry_out
from tests.stages import arrows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.plan.jobs import TakePlan
    from tests.pipeline.conftest import Songs

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "explanation" / "stages.md"
SPEC = """
# a comment
title = "Eins"
caption = "calm piano"
lyrics = \"\"\"
[verse]
la la la
\"\"\"
seeds = [1]

[metas]
bpm = 90
vocal_language = "en"

[inference]
shift = 3.0

[output]
format = "flac"
"""
GIVEN = """
caption = "slow blues"
instrumental = true
seeds = [1]
max_duration = 60

[metas]
bpm = 90
keyscale = "A minor"
timesignature = "4"
duration = 10

[inference]
shift = 3.0
"""
ALL = arrows("cot")
DIT = arrows("latents")
VAE = arrows("waveform")
NOTHING = "nothing"
TAGS = "nothing, its tags are written anew"


@dataclass(frozen=True)
class Edit:
    """Something a user does after a render, the take to look at, and what `status` says of it."""

    old: str
    new: str
    runs: str
    told: tuple[str, ...]
    why: Why = Why.CHANGED
    take: str = "eins.s1"


EDITS: Mapping[str, Edit] = {
    "caption": Edit("calm piano", "wild piano", ALL, ("caption calm piano → wild piano",)),
    "a line of the lyrics": Edit("la la la", "la la lo", ALL, ("lyrics la la la → la la lo",)),
    "bpm": Edit("bpm = 90", "bpm = 100", ALL, ("bpm 90 → 100 in [metas]",)),
    "keyscale": Edit("bpm = 90", 'bpm = 90\nkeyscale = "A minor"', ALL, ("keyscale none → A minor in [metas]",)),
    "duration": Edit("bpm = 90", "bpm = 90\nduration = 30", ALL, ("duration none → 30.0 in [metas]",)),
    "vocal_language": Edit('"en"', '"es"', DIT, ("vocal_language en → es in [metas]",)),
    "lm_temperature": Edit(
        "shift = 3.0", "shift = 3.0\nlm_temperature = 0.7", ALL, ("lm_temperature 0.85 → 0.7 in [inference]",)
    ),
    "lm_seed": Edit("shift = 3.0", "shift = 3.0\nlm_seed = 5", ALL, ("lm_seed 0 → 5 in [inference]",)),
    "use_cot_caption": Edit(
        "shift = 3.0", "shift = 3.0\nuse_cot_caption = true", ALL, ("use_cot_caption False → True in [inference]",)
    ),
    "thinking": Edit("shift = 3.0", "shift = 3.0\nthinking = false", DIT, ("thinking True → False in [inference]",)),
    "shift": Edit("shift = 3.0", "shift = 2.0", DIT, ("shift 3.0 → 2.0 in [inference]",)),
    "infer_method": Edit(
        "shift = 3.0", 'shift = 3.0\ninfer_method = "sde"', DIT, ("infer_method ode → sde in [inference]",)
    ),
    "vae": Edit("seeds = [1]", 'seeds = [1]\nvae = "bright"', VAE, ("vae none → bright",)),
    "title": Edit('"Eins"', '"Uno"', TAGS, ("title Eins → Uno",), Why.TAGS),
    "format": Edit('"flac"', '"wav"', VAE, ("format flac → wav in [output]",)),
    "recipe": Edit('"flac"', '"flac"\nrecipe = "none"', TAGS, ("recipe full → none in [output]",), Why.TAGS),
    "max_duration": Edit("seeds = [1]", "seeds = [1]\nmax_duration = 30", ALL, ("max_duration 240 → 30",)),
    "a seed more": Edit("seeds = [1]", "seeds = [1, 2]", arrows("codes"), (), Why.NEW, "eins.s2"),
    "a variant with another shift": Edit(
        "[output]", "[variants.wide]\nshift = 2.0\n[output]", DIT, (), Why.NEW, "eins.wide.s1"
    ),
    "a variant with another caption": Edit(
        "[output]", '[variants.wide]\ncaption = "slow bolero, nylon guitar"\n[output]', ALL, (), Why.NEW, "eins.wide.s1"
    ),
    "a comment": Edit("# a comment", "# another\n\n", NOTHING, (), Why.DONE),
    "inference_steps": Edit(
        "shift = 3.0", "shift = 3.0\ninference_steps = 5", DIT, ("inference_steps 8 → 5 in [inference]",)
    ),
    "sampler_mode": Edit(
        "shift = 3.0", 'shift = 3.0\nsampler_mode = "heun"', DIT, ("sampler_mode euler → heun in [inference]",)
    ),
    "dcw_enabled": Edit(
        "shift = 3.0", "shift = 3.0\ndcw_enabled = false", DIT, ("dcw_enabled True → False in [inference]",)
    ),
    "dcw_mode": Edit("shift = 3.0", 'shift = 3.0\ndcw_mode = "low"', DIT, ("dcw_mode double → low in [inference]",)),
    "dcw_scaler": Edit("shift = 3.0", "shift = 3.0\ndcw_scaler = 0.1", DIT, ("dcw_scaler 0.05 → 0.1 in [inference]",)),
    "dcw_high_scaler": Edit(
        "shift = 3.0", "shift = 3.0\ndcw_high_scaler = 0.1", DIT, ("dcw_high_scaler 0.02 → 0.1 in [inference]",)
    ),
    "retake_variance": Edit(
        "shift = 3.0",
        "shift = 3.0\nretake_variance = 0.2\nretake_seed = 7",
        DIT,
        ("retake_seed none → 7 in [inference]", "retake_variance 0.0 → 0.2 in [inference]"),
    ),
    "inference_steps above 8 on turbo": Edit("shift = 3.0", "shift = 3.0\ninference_steps = 20", NOTHING, (), Why.DONE),
    "a setting written out as it was": Edit(
        "shift = 3.0", "shift = 3.0\ndcw_enabled = true\ndcw_scaler = 0.05", NOTHING, (), Why.DONE
    ),
    "an adapter at scale 0": Edit("[output]", '[[lora]]\npath = "."\nscale = 0.0\n[output]', NOTHING, (), Why.DONE),
    "cfg_interval_start on turbo": Edit("shift = 3.0", "shift = 3.0\ncfg_interval_start = 0.2", NOTHING, (), Why.DONE),
    "use_cot_caption where all metas are given": Edit(
        "shift = 3.0", "shift = 3.0\nuse_cot_caption = true", NOTHING, (), Why.DONE, "zwei.s1"
    ),
    "use_cot_language where all metas are given": Edit(
        "shift = 3.0", "shift = 3.0\nuse_cot_language = false", NOTHING, (), Why.DONE, "zwei.s1"
    ),
    "use_cot_metas where all metas are given": Edit(
        "shift = 3.0", "shift = 3.0\nuse_cot_metas = false", NOTHING, (), Why.DONE, "zwei.s1"
    ),
    "max_duration beside duration": Edit("max_duration = 60", "max_duration = 80", NOTHING, (), Why.DONE, "zwei.s1"),
    "a setting of something that is off": Edit("shift = 3.0", "shift = 3.0\nretake_seed = 7", NOTHING, (), Why.DONE),
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Path:
    """A project with one take, rendered once for all edits."""
    from tests.pipeline.conftest import Songs

    songs = Songs(tmp_path_factory.mktemp("edits") / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("eins", SPEC)
    songs.write("zwei", GIVEN)
    write_vae(songs.folder / "specs" / "bright", tiny_set / "vae")
    carry_out(songs.project())
    return songs.folder


@pytest.fixture
def songs(rendered: Path, tmp_path: Path, tiny_set: Path) -> Songs:
    from tests.pipeline.conftest import Songs

    copy = Songs(tmp_path / "copy", tiny_set, None)  # type: ignore[arg-type]
    shutil.copytree(rendered, copy.folder, dirs_exist_ok=True)
    return copy


def planned(songs: Songs, name: str) -> TakePlan:
    return next(take for take in songs.project().plan().takes if take.name == name)


def runs(take: TakePlan) -> str:
    return " → ".join(take.runs) or (TAGS if take.why is Why.TAGS else NOTHING)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_runs_what_it_must_and_says_why(songs: Songs, edit: Edit) -> None:
    songs.edit(edit.take.partition(".")[0], edit.old, edit.new)

    take = planned(songs, edit.take)

    assert take.why is edit.why
    assert tuple(change.text_with_place for change in take.changes) == edit.told
    assert runs(take) == edit.runs
    carry_out(songs.project())
    assert planned(songs, edit.take).why is Why.DONE


SEVERAL: Mapping[str, tuple[str, str, set[str]]] = {
    "a temperature, and what it could switch off": (
        "shift = 3.0",
        "shift = 3.0\nlm_temperature = 0.7\nlm_seed = 5\nlm_top_k = 40",
        {"lm_temperature", "lm_seed", "lm_top_k"},
    ),
    "a temperature that switches off what draws": (
        "shift = 3.0",
        "shift = 3.0\nlm_temperature = 0.0",
        {"lm_temperature"},
    ),
    "a guidance, and what it is pulled away from": (
        "shift = 3.0",
        'shift = 3.0\nlm_cfg_scale = 3.0\nlm_negative_prompt = "noise"',
        {"lm_cfg_scale", "lm_negative_prompt"},
    ),
    "a tempo, and what a chain of thought may rewrite": (
        'bpm = 90\nvocal_language = "en"\n\n[inference]',
        'bpm = 100\nvocal_language = "en"\n\n[inference]\nuse_cot_caption = true',
        {"bpm", "use_cot_caption"},
    ),
}


@pytest.mark.parametrize(("old", "new", "told"), SEVERAL.values(), ids=SEVERAL.keys())
def test_of_several_settings_each_that_was_changed_is_told(songs: Songs, old: str, new: str, told: set[str]) -> None:
    songs.edit("eins", old, new)

    assert {change.name for change in planned(songs, "eins.s1").changes} == told


def deleted(songs: Songs) -> None:
    (songs.outputs / "eins" / "eins.s1.flac").unlink()


def altered(songs: Songs) -> None:
    path = songs.outputs / "eins" / "eins.s1.flac"
    *before, last = path.read_bytes()
    path.write_bytes(bytes([*before, last ^ 1]))


@pytest.mark.parametrize("damage", [deleted, altered])
def test_audio_that_is_gone_or_altered_is_decoded_again(songs: Songs, damage: Callable[[Songs], None]) -> None:
    before = songs.audio()
    damage(songs)

    assert (planned(songs, "eins.s1").why, runs(planned(songs, "eins.s1"))) == (Why.MISSING, VAE)
    carry_out(songs.project())
    assert songs.audio() == before


def test_audio_that_was_only_touched_is_not(songs: Songs) -> None:
    (songs.outputs / "eins" / "eins.s1.flac").touch()

    assert planned(songs, "eins.s1").why is Why.DONE


def test_a_variants_own_value_is_told_with_its_table(songs: Songs) -> None:
    songs.edit("eins", "[output]", "[variants.wide]\nshift = 2.0\n[output]")
    carry_out(songs.project())
    songs.edit("eins", "shift = 2.0", "shift = 1.0")

    (change,) = planned(songs, "eins.wide.s1").changes

    assert change.text_with_place == "shift 2.0 → 1.0 in [variants.wide]"
    assert planned(songs, "eins.s1").why is Why.DONE


def test_a_version_from_before_a_setting_is_told_against_what_it_did_then(songs: Songs) -> None:
    take = planned(songs, "eins.s1")
    before = {**take.requests, "latents": dict(take.requests["latents"])}
    for name in neutral_values(LatentsRequest):
        if name.startswith(("dcw_", "retake_", "sampler_")):  # what version 0.1.0 hadn't
            del before["latents"][name]

    told = [change.text_with_place for change in changes_between(before, take.requests, take.take, take.family)]

    # Nobody set it: turbo does it by itself.
    assert told == ["dcw_enabled False → True"]


def test_another_checkpoint_explains_what_it_brings_along(songs: Songs, tiny_set: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_set, base)
    config = base / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text("utf-8")), "is_turbo": False, "model_version": "base"}))

    songs.edit("eins", 'title = "Eins"', f'title = "Eins"\nmodel = "{base}"')
    take = planned(songs, "eins.s1")

    assert take.requests["latents"]["inference_steps"] == 50
    assert take.requests["latents"]["shift"] == 3.0
    assert not take.requests["latents"]["dcw_enabled"]
    assert [change.text for change in take.changes] == [f"model {tiny_set.name} → base"]


def test_edited_back_the_first_version_is_there_again(songs: Songs) -> None:
    before = songs.audio()
    for old, new in (("calm", "wild"), ("wild", "calm")):
        songs.edit("eins", old, new)
        plan = songs.project().plan()
        carry_out(songs.project())

    assert plan.takes[0].why is Why.RESTORED
    assert plan.jobs == ()
    assert songs.audio() == before


def told_rows() -> Iterator[tuple[str, str]]:
    text = PAGE.read_text("utf-8")
    table = text[text.index("| you change |") :].split("\n\n", 1)[0]
    for row in table.splitlines()[2:]:
        edit, told = (cell.strip() for cell in row.strip("|").split("|"))
        for name in re.sub(r"`", "", edit).split(", "):
            yield name, told


def test_the_page_says_what_an_edit_runs() -> None:
    rows = dict(told_rows())

    assert rows == {name: edit.runs for name, edit in EDITS.items()}
