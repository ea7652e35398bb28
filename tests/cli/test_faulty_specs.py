"""Takes of a spec with errors: whoever names one is told these, at their place, not that the take isn't there."""

from __future__ import annotations

import json
import shlex
import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = ("--device", "cpu")
SAME = (*DEVICE, "--lm-slots", "2")
"""As the fixture rendered: the takes' keys are those."""
COMMANDS: dict[str, tuple[str, ...]] = {
    "keep": ("eins.s3",),
    "keep of a pattern": ("eins.s3*",),
    "share": ("eins.s1",),
    "export": ("eins.s1", "--to", "times"),
    "fix": ("eins.s1", "--at", "2..5"),
    "pick": ("eins",),
    "pin": ("eins.s1", *DEVICE),
    "status": ("eins.s1", *DEVICE),
    "show": ("eins.s1", *DEVICE),
    "plan": ("eins.s1", *DEVICE),
    "render": ("eins.s1", "--no-measure", *DEVICE),
    "report": ("eins", "--no-measure", *DEVICE),
    "check": ("eins.s1",),
}


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Songs:
    made = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    made.write("eins")
    made.write("zwei")
    carry_out(made.project())
    monkeypatch.chdir(made.folder)
    return made


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_take_of_a_broken_spec_is_answered_with_what_is_wrong_there(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.edit("eins", "bpm = 90", "bpm = 9000")

    for command, arguments in COMMANDS.items():
        told = said(capsys, *command.partition(" of ")[0].split(), *arguments)

        for part in ("error[bpm-range]", "specs/eins.toml:10:7", "bpm = 9000", "^^^^"):
            assert part in told, command
        for part in ("there is no", "nothing to render"):
            assert part not in told, command


def test_faults_of_all_takes_that_are_named_come_at_once(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    songs.edit("eins", "bpm = 90", "bpm = 9000")
    songs.edit("zwei", 'lyrics = """\n[verse]\nla la la\n"""', 'lyrics_file = "gone.txt"')

    told = said(capsys, "share", "zwei.s1", "eins.s2")

    assert "specs/eins.toml:10:7" in told
    assert "error[lyrics-file-missing]" in told


def test_a_pattern_leaves_out_no_rendered_take_without_a_word(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    songs.write("drei", "bpm = 9000\n")  # never rendered, so nothing of it is left out
    said(capsys, "share", "*.s1", "--to", "all", code=0)
    songs.edit("eins", "bpm = 90", "bpm = 9000")

    assert "specs/eins.toml:10:7" in said(capsys, "share", "*.s2", "--to", "rest")
    said(capsys, "share", "zw*.s2", "--to", "rest", code=0)
    assert len(list((songs.folder / "all").glob("*.flac"))) == 2
    assert [path.name for path in (songs.folder / "rest").glob("*.flac")] == ["zwei.flac"]


def test_what_was_heard_is_voted_on_whatever_is_wrong_with_its_spec(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.edit("eins", "[metas]", '[edits.more]\ntask = "cover"\nsrc_audio = "s1"\n[metas]')
    said(capsys, "keep", "--reject", "eins.s1", code=0)
    assert "error[edit-source-rejected]" in said(capsys, "plan", *SAME)

    assert "taken back: eins.s1" in said(capsys, "keep", "--forget", "eins.s1", code=0)
    said(capsys, "plan", *SAME, code=0)
    songs.edit("eins", "bpm = 90", "bpm = 9000")
    assert "keep: eins.s2" in said(capsys, "keep", "*.s2", code=0)


def test_a_vote_on_what_lies_nowhere_any_more_is_taken_back_as_advised(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.edit("eins", "[metas]", '[edits.more]\ntask = "cover"\nsrc_audio = "s1"\n[metas]')
    (songs.folder / "specs" / "eins.toml").rename(songs.folder / "specs" / "night bus.toml")
    picks = songs.folder / "specs" / "picks.toml"
    picks.write_text('["night bus.s1"]\nvote = "reject"\n["night bus.s2"]\nvote = "keep"\n', "utf-8")
    advice = "renderer keep --forget 'night bus.s1'"
    assert advice in " ".join(said(capsys, "plan", *SAME).split())

    assert "taken back: night bus.s1 in" in said(capsys, *shlex.split(advice)[1:], code=0)
    assert set(tomllib.loads(picks.read_text("utf-8"))) == {"night bus.s2"}
    said(capsys, "plan", *SAME, code=0)

    told = said(capsys, "keep", "--forget", "*.s2", code=0)
    assert "taken back: night bus.s2 in" in told
    assert "taken back: zwei.s2 (" in told
    assert "there is no rendered take `night bus.s2`" in said(capsys, "keep", "--forget", "night bus.s2")


def test_the_order_of_all_songs_tells_of_broken_ones_beside(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    songs.edit("eins", "bpm = 90", "bpm = 9000")

    told = said(capsys, "pick", code=0)

    assert "specs/eins.toml:10:7" in told
    assert "zwei: 2 takes" in told


def test_below_a_broken_renderer_toml_nothing_is_taken_for_a_song(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    defaults = songs.folder / "renderer.toml"
    defaults.write_text(defaults.read_text("utf-8") + "inference_stepz = 8\n", "utf-8")

    (songs.folder / "album.toml").write_text('title = "x"\nsongs = ["eins"]\n', "utf-8")

    for arguments in (("share", "eins.s1"), ("album",), ("plan", "--keep-going", *DEVICE), ("pick", "eins")):
        told = said(capsys, *arguments)
        assert "renderer.toml:4:1" in told
        assert "there is no" not in told


def test_a_vote_on_a_former_version_keeps_nobody_from_making_a_take_of_the_next(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.edit("eins", "[metas]", '[edits.more]\ntask = "cover"\nsrc_audio = "s1"\n[metas]')
    said(capsys, "keep", "--reject", "eins.s1", code=0)
    rejected = said(capsys, "plan", *SAME)
    assert "specs/eins.toml:11:13" in rejected
    assert "renderer keep --forget eins.s1" in rejected
    assert "renderer plan specs/eins.toml" in said(capsys, "status", *SAME, code=0)
    left_out = said(capsys, "plan", "--keep-going", "--json", *SAME, code=0)
    assert {take["take"] for take in json.JSONDecoder().raw_decode(left_out)[0]["takes"]} == {"zwei.s1", "zwei.s2"}

    songs.edit("eins", "bpm = 90", "bpm = 91")
    assert "eins.more.s1" in said(capsys, "plan", *SAME, code=0), "which will be made of another version"
    assert "error[edit-source-rejected]" in said(capsys, "plan", "--only-edits", *SAME), "on disk it is that one"

    carry_out(songs.project())
    said(capsys, "plan", "--only-edits", *SAME, code=0)
    songs.edit("eins", "bpm = 91", "bpm = 90")
    assert "error[edit-source-rejected]" in said(capsys, "plan", *SAME)
