"""The page is the project's, whatever of it was rendered last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.pipeline.render import render
from renderer.report import Outcome
from renderer.report.build import make_report, write_page

if TYPE_CHECKING:
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow


def test_rendering_one_take_leaves_all_others_on_the_page_and_marks_it(songs: Songs) -> None:
    songs.write("eins")
    songs.write("zwei")
    songs.render()
    songs.edit("eins", "bpm = 90", "bpm = 100")
    project = songs.project()
    one = project.only(take for take in project.takes if take.name == "eins.s2")
    render(one, listen=songs.events.append, executor=songs.executor)

    takes = {take.name: take for take in make_report(one).takes}
    assert list(takes) == ["eins.s1", "eins.s2", "zwei.s1", "zwei.s2"]
    assert [name for name, take in takes.items() if take.in_last_run] == ["eins.s2"]
    again = takes["eins.s1"]
    assert (again.outcome, again.why) == (Outcome.WAITING, "bpm 90 → 100")
    assert again.audio == "../eins/eins.s1.flac", "it plays as it was"
    assert takes["zwei.s1"].outcome is Outcome.DONE
    assert "<h1>4 takes of 2 songs</h1>" in write_page(one).read_text("utf-8")


def test_a_preview_stands_beside_its_take_where_there_is_one(songs: Songs) -> None:
    songs.write("eins")
    songs.write("zwei")
    project = songs.project()
    render(project.only(project.takes[:2]), listen=songs.events.append, executor=songs.executor)
    preview = songs.project(preview=5.0)
    names = [take.name for take in make_report(preview).takes]
    assert names == [
        "eins.s1",
        "eins.s1.preview5",
        "eins.s2",
        "eins.s2.preview5",
        "zwei.s1.preview5",
        "zwei.s2.preview5",
    ]


def test_a_broken_spec_costs_itself_and_stands_with_line_and_caret(songs: Songs) -> None:
    songs.write("eins")
    project = songs.project()
    songs.write("zwei", 'title = "x"\ncaption = "y"\nlyrics = "[verse]\\nla"\nseeds = [1]\n[metas]\nbpm = 9000\n')
    report = make_report(project)
    assert [song.name for song in report.songs] == ["eins"]
    text = "\n".join("".join(text for _, text in line) for line in report.faults[0].lines)
    assert "specs/zwei.toml:6:" in text
    assert "6 | bpm = 9000" in text
    assert "^^^^" in text
    assert str(songs.folder) not in text
