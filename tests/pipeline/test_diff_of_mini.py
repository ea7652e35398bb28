"""Five songs that `mini` renders, changed and rendered again: the history, and what is heard of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from renderer.cli.main import run
from tests.history.repositories import Repository
from tests.pipeline.conftest import Songs

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.run.executor import Executor

pytestmark = pytest.mark.slow

SPEC = """
title = "{name}"
caption = "{caption}"
lyrics = '''
[verse]
la la la
[chorus]
oh oh
'''
seeds = [1]
[metas]
bpm = 120
duration = 10
keyscale = "C major"
timesignature = 4
vocal_language = "en"
[inference]
inference_steps = 2
shift = 3.0
"""
"""Nothing is left for a chain of thought."""
WITHOUT_CODES = ("march", "lullaby", "blues")
CAPTIONS = {
    "waltz": "a slow accordion waltz",
    "techno": "minimal techno, four to the floor",
    "march": "a march for brass and drums",
    "lullaby": "a lullaby on a music box",
    "blues": "dusty blues on a slide guitar",
}
SET = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")


def test_what_changed_in_history_is_what_is_heard(
    tmp_path: Path, executor: Executor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = Songs(tmp_path / "album", "mini", executor)  # type: ignore[arg-type]  # a name in place of a folder
    repository = Repository(songs.folder)
    for name, caption in CAPTIONS.items():
        lm = "thinking = false\n" if name in WITHOUT_CODES else ""
        songs.write(name, SPEC.replace("{caption}", caption) + lm)
    first = repository.commit()
    songs.render()
    songs.edit("techno", "shift = 3.0", "shift = 1.0")
    songs.edit("waltz", "la la la", "la di da")
    songs.edit("march", "title", "# for Anna\ntitle")
    repository.commit()
    songs.render()
    monkeypatch.chdir(songs.folder)

    changed = document(capsys, "diff", "--rev", first, "main", *SET)
    states = {song["song"]: song["state"] for song in changed["songs"]}
    assert states == dict.fromkeys(CAPTIONS, "same") | {"techno": "changed", "waltz": "changed", "march": "text"}
    takes = {take["take"]: take for song in changed["songs"] for take in song["takes"] if take["state"] != "same"}
    assert {name: take["stages"][0] for name, take in takes.items()} == {"techno.s1": "latents", "waltz.s1": "codes"}
    assert all(take["done"] for take in takes.values())

    techno, waltz = (document(capsys, "diff", name, "--no-measure") for name in ("techno.s1", "waltz.s1"))
    for name, found in (("techno.s1", techno), ("waltz.s1", waltz)):
        assert found["same_sound"] is False
        assert (found["a"]["audio"], found["b"]["audio"]) == (
            takes[name]["before"]["audio"],
            takes[name]["after"]["audio"],
        )
        assert len(found["a"]["loudness"]) == 10
        assert all(-60 < value < 0 for value in found["a"]["loudness"])
    assert techno["codes"][0]["num_differing"] == 0
    assert waltz["codes"][0]["num_differing"] > 0
    assert [row["name"] for row in techno["values"] if row["differs"]] == ["shift"]

    measured = document(capsys, "diff", "techno.s1")
    values = {row["name"]: row for row in measured["values"] if row["group"] == "measured"}
    assert values["loudness"]["a"].endswith(" LUFS")
    assert values["key"]["b"]
    assert "measured" not in str(measured["remarks"])


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)
