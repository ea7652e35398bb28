"""The page is the project's, whatever of it was rendered last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.pipeline.render import render
from renderer.report import Outcome
from renderer.report.build import make_report, write_page
from renderer.report.kept_pieces import pieces_folder
from renderer.report.page import render_page

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

    report = make_report(one)
    takes = {take.name: take for take in report.takes}
    assert list(takes) == ["eins.s1", "eins.s2", "zwei.s1", "zwei.s2"]
    assert report.last_takes == ("eins.s2",)
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


def test_kept_pieces_give_the_same_page_and_heal(songs: Songs) -> None:
    songs.write("eins")
    songs.write("zwei")
    songs.render()
    project = songs.project()
    page = write_page(project)
    first = page.read_bytes()
    assert first.decode() == render_page(make_report(project))
    pieces = sorted(pieces_folder(project.store).iterdir())
    assert len(pieces) == 2

    stamps = [piece.stat().st_mtime_ns for piece in pieces]
    assert write_page(songs.project()).read_bytes() == first
    assert [piece.stat().st_mtime_ns for piece in pieces] == stamps, "nothing was made anew"

    whole = pieces[0].read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole.replace(b"eins", b"acht").replace(b"zwei", b"drei")):
        pieces[0].write_bytes(damaged)
        assert write_page(songs.project()).read_bytes() == first
        assert pieces[0].read_bytes() == whole


@pytest.mark.parametrize("change", ["spec", "audio", "record"])
def test_a_song_that_changed_is_drawn_again(songs: Songs, change: str) -> None:
    songs.write("eins")
    songs.render()
    before = write_page(songs.project()).read_text("utf-8")
    if change == "spec":
        songs.edit("eins", "bpm = 90", "bpm = 100")
    elif change == "audio":
        (songs.outputs / "eins" / "eins.s1.flac").unlink()
    else:
        next((songs.outputs / ".store" / "takes" / "eins.s1").iterdir()).unlink()
    project = songs.project()
    after = write_page(project).read_text("utf-8")
    assert after != before
    assert after == render_page(make_report(project))
