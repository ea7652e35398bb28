"""Takes made from takes: their sources are planned with them, and what a source becomes, its edits follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from renderer.cli.main import run
from renderer.pipeline.cleanup import find
from renderer.plan.jobs import Why
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from tests.pipeline.conftest import Songs

FIRST = """
caption = "calm piano"
lyrics = "[verse]\\nla la la"
base = false
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
vocal_language = "en"
[edits.mid]
task = "repaint"
src_audio = "s2"
at = [[2.0, 5.0]]
seeds = [11]
"""
SECOND = """
caption = "waltz"
instrumental = true
base = false
[edits.waltz]
task = "cover"
src_audio = "first.mid.s11"
seeds = [7]
"""
COVER = """
caption = "waltz"
instrumental = true
base = false
[edits.waltz]
task = "cover"
src_audio = "horn.wav"
seeds = [7]
"""


@pytest.fixture
def chain(songs: Songs) -> Songs:
    songs.write("first", FIRST)
    songs.write("second", SECOND)
    return songs


def whys(songs: Songs, **options: object) -> dict[str, Why]:
    return {take.name: take.why for take in songs.project(**options).plan().takes}


def test_a_source_is_made_though_its_base_is_not_rendered(chain: Songs) -> None:
    assert set(whys(chain)) == {"first.s2", "first.mid.s11", "second.waltz.s7"}

    carry_out(chain.project())
    assert set(whys(chain).values()) == {Why.DONE}
    assert set(chain.audio()) == {"first.s2.flac", "first.mid.s11.flac", "second.waltz.s7.flac"}


def test_what_changes_at_the_root_makes_again_what_hangs_on_it_and_nothing_else(chain: Songs) -> None:
    chain.write("third", FIRST)
    carry_out(chain.project())
    chain.edit("first", "calm piano", "wild piano")

    again = {name for name, why in whys(chain).items() if why is not Why.DONE}
    assert again == {"first.s2", "first.mid.s11", "second.waltz.s7"}


def test_only_edits_keeps_a_source_as_it_is_on_disk(chain: Songs) -> None:
    carry_out(chain.project())
    # The edit says the same as before, its source something else.
    chain.edit("first", 'caption = "calm piano"', 'caption = "wild piano"')
    chain.edit("first", "seeds = [11]", 'seeds = [11]\ncaption = "calm piano"')

    assert whys(chain)["first.mid.s11"] is Why.CHANGED
    kept = whys(chain, only_edits=True)
    assert kept == {"first.mid.s11": Why.DONE, "second.waltz.s7": Why.DONE}

    chain.edit("first", "[[2.0, 5.0]]", "[[2.0, 6.0]]")
    carry_out(chain.project(only_edits=True))
    assert whys(chain, only_edits=True)["first.mid.s11"] is Why.DONE
    assert whys(chain)["first.s2"] is Why.CHANGED


def test_other_seeds_are_edits_of_the_same_source(chain: Songs) -> None:
    assert set(whys(chain, seeds=(5,))) == {"first.mid.s5", "first.s2", "second.waltz.s5", "first.mid.s11"}


def test_gc_keeps_what_an_edit_in_a_spec_needs(chain: Songs) -> None:
    carry_out(chain.project())

    assert find(chain.project(), older_than_seconds=0, orphans=True) == ()


def test_an_edit_has_no_preview(chain: Songs) -> None:
    assert set(whys(chain, preview=5.0)) == {"first.s2.preview5"}, "as there would be nothing to hear"
    (told,) = [one for one in chain.project(preview=5.0).remarks if "edit" in one]
    assert "2 edits left out: " in told
    assert "no preview; previewed is what they are made from; render without --preview" in told
    chain.edit("first", "base = false", "base = true")
    assert set(whys(chain, preview=5.0)) == {"first.s1.preview5", "first.s2.preview5"}
    (told,) = [one for one in chain.project(preview=5.0).remarks if "edit" in one]
    assert "left out: what is made from a whole take has no preview" in told
    assert not [one for one in chain.project().remarks if "edit" in one]


def test_a_preview_tells_of_edits_beside_specs_that_are_left_out(chain: Songs) -> None:
    (chain.folder / "empty").mkdir()
    chain.write("third", 'model = "../empty"\n' + FIRST)
    project = chain.project(preview=5.0)

    good, faults = project.without_faulty()

    assert [fault.code for fault in faults] == ["model-fault"]
    assert [one for one in good.remarks if "left out" in one] == [one for one in project.remarks if "left out" in one]
    assert any("edits left out: " in one for one in good.only(good.takes).remarks)


def test_of_edits_of_files_alone_a_preview_renders_nothing_and_says_so(
    songs: Songs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(songs.folder / "specs" / "horn.wav", np.zeros((480_000, 2), dtype=np.float32), 48_000)
    songs.write("horn", COVER)
    monkeypatch.chdir(songs.folder)
    for command in ("plan", "render", "status", "report"):
        assert run([command, "--preview", "5", "--device", "cpu", "--threads", "1"]) == 0
        told = capsys.readouterr()
        assert "error" not in told.err
        assert ("1 edit left out: what is made from a whole take has no preview; render" in told.err) == (
            command in ("plan", "render")
        )
    assert not list(songs.outputs.glob("*/*.flac"))


def test_plan_tells_of_a_source_that_nobody_named(
    chain: Songs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(chain.folder)
    assert run(["plan", "second.waltz.s7", "--device", "cpu", "--threads", "1"]) == 0

    told = capsys.readouterr().out
    assert "first.mid.s11 is made, too: second.waltz.s7 is made from it" in told
    assert "first.s2 is made, too" in told


def test_a_recipe_gives_specs_for_the_whole_chain_and_they_make_the_same(
    chain: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out(chain.project())
    keys = {take.name: take.key for take in chain.project().plan().takes}
    monkeypatch.chdir(chain.folder)
    took = chain.outputs / "second" / "second.waltz.s7.flac"
    for spec in (chain.folder / "specs").glob("*.toml"):
        spec.unlink()
    assert run(["import", str(took), "--to", "specs"]) == 0

    for spec in (chain.folder / "specs").glob("*.toml"):  # a folder's name says not where it lies
        spec.write_text("\n".join(one for one in spec.read_text().splitlines() if not one.startswith("model")))
    again = {take.name: take.key for take in chain.project().plan().takes}
    assert sorted(again.values()) == sorted(keys.values())
