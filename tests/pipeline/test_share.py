"""Takes for a singer: the sound as it was rendered, the words, and nothing of how it was made."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from renderer.cli.main import run
from renderer.formats.read import read_tags
from renderer.formats.table import FORMATS
from renderer.takes.encoding import sound_digest
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
title = "Der Ärger & <ich>"
caption = "CAPTION-SECRET piano"
lyrics = '''
[verse 1]
la la la
[chorus] (whispered)
oh oh
'''
seeds = [4711, 5822]
[metas]
bpm = 137
duration = 10
[output]
format = "FORMAT"
[variants.wilder]
caption = "OTHER-SECRET piano"
seeds = [4711]
lyrics = '''
[verse 1]
other words
'''
"""
TELLING = re.compile(r"4711|5822|SECRET|wilder|137|recipe|renderer|seed|shift|tiny|/tmp|[0-9a-f]{16}", re.IGNORECASE)


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Songs:
    made = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    monkeypatch.chdir(made.folder)
    return made


def rendered(songs: Songs, kind: str = "flac") -> Songs:
    songs.write("aerger", SPEC.replace("FORMAT", kind))
    carry_out(songs.project())
    return songs


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_shared_sounds_as_rendered_and_tells_nothing_of_how(songs: Songs, kind: str) -> None:
    rendered(songs, kind)

    assert run(["share", "aerger.s*", "aerger.wilder.s4711"]) == 0

    folder = songs.folder / "shared" / "aerger"
    numbered = [f"aerger-{number}.{kind}" for number in (1, 2, 3)]
    assert sorted(path.name for path in folder.iterdir()) == [*numbered, "index.html"]
    takes = ("aerger.s4711", "aerger.s5822", "aerger.wilder.s4711")
    for take, name in zip(takes, numbered, strict=True):
        own, shared = songs.outputs / "aerger" / f"{take}.{kind}", folder / name
        assert sound_digest(own, FORMATS[kind]) == sound_digest(shared, FORMATS[kind])
        assert "renderer_recipe" in read_tags(own)
        assert read_tags(shared) == {"title": "Der Ärger & <ich>"}
        assert b"SECRET" not in shared.read_bytes()
    page = (folder / "index.html").read_text("utf-8")
    without_hashes = re.sub(r"sha256-[^']+", "", page)
    assert TELLING.findall(without_hashes) == []
    assert "other words" in page
    assert "oh oh" in page
    assert "<ich>" not in page


def test_the_sender_is_told_which_take_is_which_and_rejected_ones_stay(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    rendered(songs)
    assert run(["keep", "aerger.s4711", "--reject"]) == 0
    capsys.readouterr()

    assert run(["share", "aerger*"]) == 0

    told = capsys.readouterr().out
    assert "Take 1 = aerger.s5822 (aerger-1.flac)\nTake 2 = aerger.wilder.s4711 (aerger-2.flac)\n" in told
    assert "left out, as rejected: aerger.s4711 " in told
    assert run(["share", "aerger.s4711", "--to", "his-word"]) == 0
    assert "Take 1 = aerger.s4711 (aerger.flac)\n" in capsys.readouterr().out
    assert run(["share", "aerger.s47*", "--to", "none"]) == 2
    assert "renderer share aerger.s4711" in capsys.readouterr().err


def test_mp3_is_made_of_any_take(songs: Songs) -> None:
    rendered(songs)

    assert run(["share", "aerger.s5822", "--mp3", "--to", "for-anna"]) == 0

    assert sorted(path.name for path in (songs.folder / "for-anna").iterdir()) == ["aerger.mp3", "index.html"]
    before, _ = soundfile.read(songs.outputs / "aerger" / "aerger.s5822.flac")
    after, rate = soundfile.read(songs.folder / "for-anna" / "aerger.mp3")
    assert rate == 48_000
    assert after.shape == before.shape
    assert np.corrcoef(before[:, 0], after[:, 0])[0, 1] > 0.8
    assert read_tags(songs.folder / "for-anna" / "aerger.mp3") == {"title": "Der Ärger & <ich>"}


def test_words_are_those_that_were_sung_whatever_the_spec_says_since(songs: Songs) -> None:
    rendered(songs)
    songs.edit("aerger", "la la la", "new words")

    assert run(["share", "aerger.s4711"]) == 0

    page = (songs.folder / "shared" / "aerger" / "index.html").read_text("utf-8")
    assert "la la la" in page
    assert "new words" not in page


def test_what_is_there_is_named_and_nothing_is_written(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    rendered(songs)
    folder = songs.folder / "for-anna"
    folder.mkdir()
    (folder / "aerger-2.flac").write_text("mine", "utf-8")
    (folder / "index.html").write_text("mine", "utf-8")

    assert run(["share", "aerger.s4711", "aerger.s5822", "--to", "for-anna"]) == 2

    told = capsys.readouterr().err
    assert "aerger-2.flac" in told
    assert "index.html" in told
    assert {path.name: path.read_text("utf-8") for path in folder.iterdir()} == {
        "aerger-2.flac": "mine",
        "index.html": "mine",
    }


def test_takes_of_songs_whose_names_meet_are_files_of_their_own(songs: Songs) -> None:
    songs.write("night", SPEC.replace("FORMAT", "flac"))
    songs.write("night-1", SPEC.replace("FORMAT", "flac"))
    carry_out(songs.project())

    assert run(["share", "night.s*", "night-1.s4711", "--to", "sent"]) == 0

    sent = {path.name for path in (songs.folder / "sent").glob("*.flac")}
    page = (songs.folder / "sent" / "index.html").read_text("utf-8")
    assert len(sent) == 3
    assert all(page.count(f'src="{name}"') == 1 for name in sent)


def test_a_second_time_writes_the_same_and_refuses_nothing(songs: Songs) -> None:
    rendered(songs)
    assert run(["share", "aerger.s4711"]) == 0
    audio = songs.folder / "shared" / "aerger" / "aerger.flac"
    audio.unlink()

    assert run(["share", "aerger.s4711"]) == 0

    assert read_tags(audio) == {"title": "Der Ärger & <ich>"}


def test_a_take_that_is_not_there_or_was_damaged_is_not_sent(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    rendered(songs)
    assert run(["share", "aerger.s4712"]) == 2
    assert "did you mean `aerger.s4711`" in capsys.readouterr().err
    assert run(["share", "nobody.s?"]) == 2
    audio = songs.outputs / "aerger" / "aerger.s4711.flac"
    content, state = bytearray(audio.read_bytes()), audio.stat()
    content[-1] ^= 1
    audio.write_bytes(content)
    os.utime(audio, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert run(["share", "aerger.s4711"]) != 0

    assert "render --verify" in capsys.readouterr().err
    assert not (songs.folder / "shared").exists()


def test_a_pattern_keeps_the_takes_that_it_fits_in_the_order_of_seeds(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.write("zehn", SPEC.replace("FORMAT", "flac").replace("[4711, 5822]", "[10, 9]"))
    carry_out(songs.project())
    carry_out(songs.project(preview=2.0))

    assert run(["keep", "zehn.s*"]) == 0

    kept = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("keep:")]
    assert kept == ["zehn.s9", "zehn.s10"]
