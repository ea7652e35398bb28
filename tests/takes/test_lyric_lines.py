"""What is to be sung in a finished take: the lines that a recogniser's words are held against."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.store.recipe import Recipe
from renderer.takes import recogniser
from renderer.takes.lyric_lines import lyric_lines, sung_language
from renderer.takes.measure import SungFile
from renderer.takes.measurements import unmeasured
from tests.pipeline.conftest import Songs
from tests.pipeline.test_timestamps import hearing_set
from tests.pipeline.without_models import carry_out
from tests.takes.test_recogniser import write_recogniser

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = '''
[verse] (soft)
la la la
[laughs]

Chorus 2:
oh oh [whispered] yes
♪
(stay)
'''
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
vocal_language = "es"
[variants.alone]
instrumental = true
"""
WORDS = ["la la la", "oh oh [whispered] yes", "(stay)"]


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Songs:
    folder = tmp_path_factory.mktemp("lines")
    made = Songs(folder / "project", hearing_set(tiny_set, folder / "set"), None)  # type: ignore[arg-type]
    made.write("eins", SPEC)
    carry_out(made.project())
    return made


def listened(songs: Songs, folder: Path, **options: object) -> dict[str, SungFile]:
    """What the measuring process would be asked of words, by the file's name."""
    files = unmeasured(songs.project(asr=folder, **options))
    return {one.sound.path.stem: one for one in files if isinstance(one, SungFile)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(recogniser, "LIBRARY", "json")
    return write_recogniser(tmp_path / "small")


def test_takes_that_sing_are_listened_to_and_no_others(songs: Songs, folder: Path) -> None:
    carry_out(songs.project(preview=5.0))

    assert set(listened(songs, folder)) == {"eins.s1", "eins.s2"}
    assert listened(songs, folder, preview=5.0) == {}
    assert not any(isinstance(one, SungFile) for one in unmeasured(songs.project()))


def test_lines_are_what_stands_below_headings_with_the_times_of_timestamps(songs: Songs, folder: Path) -> None:
    file = listened(songs, folder)["eins.s1"]

    assert [(line.row, line.text, line.start, line.end) for line in file.lines] == [
        (1, WORDS[0], 0.25, 0.5),
        (5, WORDS[1], None, None),
        (7, WORDS[2], None, None),
    ]
    assert file.language == "es"
    assert file.sound.path == songs.outputs / "eins" / "eins.s1.flac"


@pytest.mark.parametrize(("track", "sings"), [("vocals", True), ("backing_vocals", True), ("drums", False)])
def test_of_tracks_only_voices_sing(songs: Songs, track: str, sings: bool) -> None:
    store = songs.project().store
    (record,) = store.versions("eins.s1")
    edit = {"task_type": "extract", "track_name": track}

    assert bool(lyric_lines(replace(record, recipe=replace(record.recipe, edit=edit)), store)) is sings


def test_a_language_that_nobody_knows_is_none(songs: Songs) -> None:
    (record,) = songs.project().store.versions("eins.s1")
    said = {**record.recipe.spec, "metas": {"vocal_language": "unknown"}}

    assert sung_language(replace(record, recipe=replace(record.recipe, spec=said))) is None
    assert sung_language(replace(record, recipe=Recipe())) is None
    assert lyric_lines(replace(record, recipe=Recipe()), songs.project().store) == ()
