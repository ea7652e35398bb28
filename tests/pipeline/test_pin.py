"""Pinned codes: the song stays while its words change, no LM runs, and what is done stays done."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.errors import SpecError, UsageError
from renderer.pipeline.options import Options
from renderer.pipeline.project import refuse_faults
from renderer.pipeline.select import select
from renderer.plan.jobs import Why
from renderer.takes.pin import naming, pin
from tests.pipeline.without_models import carry_out
from tests.stages import from_stage

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.plan.jobs import TakePlan
    from tests.pipeline.conftest import Songs

SPEC = """
# a comment that stays
title = "Eins"
caption = "calm piano"  # and this one
lyrics = "[verse]\\nla la la"
seeds = [1, 2]

[metas]
bpm = 90
"""


@pytest.fixture
def pinned(songs: Songs) -> Songs:
    """A rendered song with the codes of its first take pinned."""
    songs.write("eins", SPEC)
    carry_out(songs.project())
    pin(songs.project(), "eins.s1", {})
    return songs


def takes(songs: Songs) -> dict[str, TakePlan]:
    return {take.name: take for take in songs.project().plan().takes}


def spec(songs: Songs) -> Path:
    return songs.folder / "specs" / "eins.toml"


def test_the_pinned_take_stays_done_and_the_others_follow_its_codes(pinned: Songs) -> None:
    assert takes(pinned)["eins.s1"].why is Why.DONE
    other = takes(pinned)["eins.s2"]
    assert other.runs == from_stage("latents")
    assert other.keys["codes"] == takes(pinned)["eins.s1"].keys["codes"]
    assert [change.name for change in other.changes] == ["codes"]


def test_a_changed_line_keeps_the_codes_and_runs_the_dit(pinned: Songs) -> None:
    codes = takes(pinned)["eins.s1"].keys["codes"]
    pinned.edit("eins", "la la la", "la la lo")

    take = takes(pinned)["eins.s1"]

    assert take.keys["codes"] == codes
    assert take.runs == from_stage("latents")
    carry_out(pinned.project())
    recipe = tomllib.loads((pinned.outputs / "eins" / "eins.s1.toml").read_text("utf-8"))
    assert recipe["keys"]["codes"] == codes
    assert recipe["decided"]["keyscale"] == "A minor"


def test_a_new_caption_counts_in_place_of_the_one_the_lm_had_written(pinned: Songs) -> None:
    before = takes(pinned)["eins.s1"]
    pinned.edit("eins", "calm piano", "wild piano")

    after = takes(pinned)["eins.s1"]

    assert after.keys["codes"] == before.keys["codes"]
    assert after.keys["cot"] != before.keys["cot"]
    cot = after.pinned[after.keys["cot"]]
    assert cot.metas.caption is None  # type: ignore[union-attr]


def test_the_spec_keeps_its_comments_and_names_the_file(pinned: Songs) -> None:
    text = spec(pinned).read_text("utf-8")

    assert tomllib.loads(text)["codes"] == "eins.codes"
    assert "# a comment that stays" in text
    assert "# and this one" in text


@pytest.mark.parametrize(
    "text",
    ['caption = "x"\n[metas]\nbpm = 90\n', 'caption = "x"\n[[lyrics]]\nsection = "verse"\n', "# only this\n"],
)
def test_naming_the_codes_changes_nothing_else(text: str) -> None:
    edited = naming(text, "a.codes")

    assert tomllib.loads(edited) == tomllib.loads(text) | {"codes": "a.codes"}


def test_a_preview_follows_the_beginning_of_the_pinned_codes(pinned: Songs) -> None:
    preview = pinned.project(preview=0.4).plan().takes[0]

    codes = preview.pinned[preview.keys["codes"]]

    assert len(codes.codes) == 2  # type: ignore[union-attr]
    assert preview.runs == from_stage("latents")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("bpm = 90", "bpm = 90\nduration = 30", "codes-duration"),
        ("bpm = 90", "bpm = 90\n[inference]\nthinking = false", "codes-unused"),
        ('"eins.codes"', '"zwei.codes"', "codes-missing"),
        ('"eins.codes"', '"../../eins.codes"', "path-outside"),
    ],
)
def test_what_disagrees_with_pinned_codes_is_a_fault_with_its_place(
    pinned: Songs, old: str, new: str, code: str
) -> None:
    pinned.edit("eins", old, new)
    options = Options(device="cpu")

    with pytest.raises(SpecError) as caught:
        refuse_faults(select([str(spec(pinned))], options), options)

    (fault,) = [found for found in caught.value.diagnostics if found.level == "error"]
    assert (fault.code, fault.span is not None) == (code, True)


@pytest.mark.parametrize("damage", ["64000", '"x"', "1 2"])
def test_a_damaged_codes_file_is_a_fault(pinned: Songs, damage: str) -> None:
    path = pinned.folder / "specs" / "eins.codes"
    path.write_text(path.read_text("utf-8").replace("codes = [\n", f"codes = [\n  {damage},\n"), "utf-8")

    (fault,) = [found for found in select([str(spec(pinned))], Options()).diagnostics if found.level == "error"]

    assert fault.code in {"codes-file", "toml-syntax", "syntax"}


def test_edited_codes_are_other_codes(pinned: Songs) -> None:
    path = pinned.folder / "specs" / "eins.codes"
    text = path.read_text("utf-8")
    before = takes(pinned)["eins.s1"].keys["codes"]
    path.write_text(text.replace("codes = [\n", "codes = [\n  7,\n"), "utf-8")

    assert takes(pinned)["eins.s1"].keys["codes"] != before
    assert takes(pinned)["eins.s1"].why is Why.CHANGED


def test_a_song_with_takes_of_different_codes_needs_a_take_or_a_vote(songs: Songs) -> None:
    from renderer.spec.picks import Pick, Vote

    songs.write("eins", SPEC)
    carry_out(songs.project())

    with pytest.raises(UsageError, match="different codes"):
        pin(songs.project(), "eins", {})
    with pytest.raises(UsageError, match="different codes"):
        pin(songs.project(), "specs/eins.toml", {})
    pin(songs.project(), "eins", {"eins.s2": Pick(vote=Vote.KEEP)})

    (song,) = {take.take.song.name: take.take.song for take in songs.project().plan().takes}.values()
    assert song.pinned is not None
    assert song.pinned.take == "eins.s2"


def test_a_folder_of_several_songs_cant_be_pinned(songs: Songs) -> None:
    songs.write("eins", SPEC)
    songs.write("zwei", SPEC)

    with pytest.raises(UsageError, match="several songs") as caught:
        pin(songs.project(), "specs", {})
    assert caught.value.help == "pin one of them: renderer pin eins.s1"


def test_what_isnt_rendered_or_is_a_preview_cant_be_pinned(songs: Songs) -> None:
    songs.write("eins", SPEC)

    with pytest.raises(UsageError, match="aren't there"):
        pin(songs.project(), "eins.s1", {})
    with pytest.raises(UsageError, match="preview"):
        pin(songs.project(preview=1.0), "eins.s1", {})


def test_a_spec_that_pinning_would_put_at_fault_is_told_of_before_anything_is_written(songs: Songs) -> None:
    songs.write("eins", SPEC + "[pick]\nplans = 4\nfinish = 2\n")
    carry_out(songs.project())
    before = spec(songs).read_bytes()

    with pytest.raises(SpecError) as refused:
        pin(songs.project(), "eins.s1", {})

    (fault,) = refused.value.diagnostics
    assert fault.code == "pick-without-plans"
    assert "eins.s1" in fault.message
    assert fault.span is not None
    assert fault.span.line == before.decode().splitlines().index("[pick]") + 1
    assert fault.excerpt == "[pick]"
    assert spec(songs).read_bytes() == before
    assert not spec(songs).with_suffix(".codes").exists()


def test_a_pick_of_the_project_leaves_a_song_with_pinned_codes_whole(songs: Songs) -> None:
    defaults = songs.folder / "renderer.toml"
    defaults.write_text(defaults.read_text("utf-8") + "[pick]\nplans = 2\nfinish = 1\n", "utf-8")
    songs.write("eins", SPEC)
    carry_out(songs.project())
    done = next(name for name, take in takes(songs).items() if take.why is Why.DONE)

    pin(songs.project(), done, {})

    assert takes(songs)[done].why is Why.DONE
    assert len(takes(songs)) == 2


def test_an_edit_has_no_codes_to_pin_and_its_source_is_named(songs: Songs) -> None:
    text = SPEC.replace("[1, 2]", "[1]") + '[edits.waltz]\ntask = "cover"\nsrc_audio = "s1"\nseeds = [5]\n'
    songs.write("eins", text)
    carry_out(songs.project())

    with pytest.raises(UsageError, match="has no codes of its own") as refused:
        pin(songs.project(), "eins.waltz.s5", {})
    assert refused.value.help == "renderer pin eins.s1"
    pin(songs.project(), "eins", {})
    assert songs.project().plan().takes[0].why is Why.DONE
