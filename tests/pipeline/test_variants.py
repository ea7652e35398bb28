"""What a variant says anew is rendered, planned, told and recorded as its own; the song and its other takes stay."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from renderer.pipeline.status import make_status
from renderer.plan.jobs import Why
from renderer.report.build import make_report
from renderer.report.view import song_view
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from tests.pipeline.conftest import Songs

ANEW = '[variants.loud]\ncaption = "loud choir"\nbpm = 140\nseeds = [7]\n'


def keys(songs: Songs, **options: object) -> dict[str, str]:
    return {take.name: take.key for take in songs.project(**options).plan().takes}


def test_a_variant_that_is_added_or_edited_moves_no_other_takes_key(songs: Songs) -> None:
    songs.write("eins")
    before = keys(songs)
    songs.edit("eins", "[metas]", f"{ANEW}[metas]")
    added = keys(songs)
    songs.edit("eins", "loud choir", "louder choir")
    edited = keys(songs)

    assert {name: key for name, key in added.items() if name in before} == before
    assert added.keys() - before.keys() == {"eins.loud.s7"}
    assert {name for name in added if added[name] != edited[name]} == {"eins.loud.s7"}


def test_a_variant_that_says_what_the_song_says_has_the_songs_keys(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "[metas]", '[variants.same]\ncaption = "calm piano, eins"\nbpm = 90\n[metas]')
    takes = {take.name: take for take in songs.project().plan().takes}

    assert takes["eins.same.s1"].keys == takes["eins.s1"].keys


def test_seeds_of_the_command_line_win_over_a_variants_own(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "[metas]", f"{ANEW}[metas]")

    assert set(keys(songs, seeds=(4,))) == {"eins.s4", "eins.loud.s4"}
    assert set(keys(songs, first_seed=True)) == {"eins.s1", "eins.loud.s7"}


def test_a_change_is_told_with_the_variants_table(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "[metas]", f"{ANEW}[metas]")
    carry_out(songs.project())
    songs.edit("eins", "bpm = 140", "bpm = 150")

    changed = [take for take in songs.project().plan().takes if take.why is Why.CHANGED]

    assert [take.name for take in changed] == ["eins.loud.s7"]
    assert {change.text_with_place for change in changed[0].changes} == {"bpm 140 → 150 in [variants.loud]"}


def test_recipe_and_page_tell_what_the_variant_said(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "[metas]", f"{ANEW}[metas]")
    carry_out(songs.project())

    recipe = tomllib.loads((songs.outputs / "eins" / "eins.loud.s7.toml").read_text("utf-8"))
    assert (recipe["spec"]["caption"], recipe["spec"]["metas"]["bpm"]) == ("loud choir", 140)
    report = make_report(songs.project())
    assert report.songs[0].caption == "calm piano, eins"
    rows = {row.name: row for row in song_view(report.songs[0]).settings if row.differs}
    assert rows["caption"].values == ("calm piano, eins", "loud choir")
    assert rows["bpm"].values == ("90", "140")


def test_a_base_that_is_no_longer_rendered_keeps_the_takes_it_has(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "[metas]", f"{ANEW}[metas]")
    carry_out(songs.project())
    songs.edit("eins", 'title = "eins"', 'title = "eins"\nbase = false')

    status = make_status(songs.project())

    assert [take.plan.name for take in status.takes] == ["eins.loud.s7"]
    assert {path.name for path in songs.outputs.glob("eins/*.flac")} == {
        "eins.s1.flac",
        "eins.s2.flac",
        "eins.loud.s7.flac",
    }
