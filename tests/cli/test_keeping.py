"""status, keep, pin and store as they are typed, beside a render that holds the lock."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.models.family import stored_kinds
from renderer.pipeline.project import one_at_a_time
from renderer.store.store import Store
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out
from tests.stages import arrows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Songs]:
    """A rendered project, stood in, while another process renders to it."""
    made = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    made.write("eins")
    carry_out(made.project())
    monkeypatch.chdir(made.folder)
    with one_at_a_time(Store(made.outputs, kinds=stored_kinds())):
        yield made


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == code
    return capsys.readouterr().out


def test_status_tells_like_git_what_is_new_changed_broken_and_without_a_spec(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.write("zwei")
    songs.write("drei", "bpm = 90\n")
    songs.edit("eins", "seeds = [1, 2]", "seeds = [1]")
    songs.edit("eins", "bpm = 90", "bpm = 91")

    told = said(capsys, "status", *OPTIONS)

    assert "changed   eins.s1  bpm 90 → 91 in [metas]" in told
    assert "new       zwei.s1" in told
    assert "no spec   eins.s2" in told
    assert "broken    specs/drei.toml" in told
    assert "0 of 3 takes done" in told


def test_status_of_a_take_says_why_it_would_run_and_what_lies_there(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing runs" in said(capsys, "status", "eins.s1", *OPTIONS)
    songs.edit("eins", "bpm = 90", "bpm = 91")

    told = said(capsys, "status", "eins.s1", *OPTIONS)

    assert "bpm 90 → 91 in [metas]" in told
    assert f"runs: {arrows('cot')}" in told
    assert "eins/eins.s1.flac" in told
    document = json.loads(said(capsys, "status", "--json", *OPTIONS))
    assert [take["why"] for take in document["takes"]] == ["changed", "changed"]
    assert document["takes"][0]["changes"][0] == {
        "stage": "cot", "name": "bpm", "old": 90, "new": 91, "place": "[metas]", "told": "bpm 90 → 91"
    }  # fmt: skip


def test_keep_writes_the_vote_and_names_near_misses(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    assert "keep: eins.s1" in said(capsys, "keep", "eins.s1", "--note", "[/b] the bridge")

    picks = tomllib.loads((songs.folder / "specs" / "picks.toml").read_text("utf-8"))
    assert picks["eins.s1"]["vote"] == "keep"
    assert picks["eins.s1"]["note"] == "[/b] the bridge"
    capsys.readouterr()
    assert run(["keep", "eins.s3"]) == 2
    assert "did you mean `eins.s" in capsys.readouterr().err


@pytest.mark.usefixtures("songs")
def test_a_vote_that_is_taken_back_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "renderer report" in said(capsys, "keep", "eins.s1")
    assert said(capsys, "keep", "--forget", "eins.s1").startswith("taken back: eins.s1 (")


def test_pin_names_the_codes_in_the_spec_and_tells_what_it_costs(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "keep", "eins.s1")
    told = said(capsys, "pin", "eins.s2", *OPTIONS)

    assert "eins.codes" in told
    assert "1 finished take will be made anew from these codes: eins.s1\neins.s1 among them is kept\n" in told
    assert 'delete the line `codes = "eins.codes"` in specs/eins.toml' in " ".join(told.split())
    assert 'codes = "eins.codes"' in (songs.folder / "specs" / "eins.toml").read_text("utf-8")
    assert "1 of 2 takes done" in said(capsys, "status", *OPTIONS)


def test_gc_waits_for_no_render_and_refuses_beside_broken_specs(
    songs: Songs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["store", "gc", "--older-than", "0"]) == 2
    assert "another render" in capsys.readouterr().err
    assert run(["store", "gc", "specs/eins.toml"]) == 2
    assert "is no folder of specs" in capsys.readouterr().err
    songs.write("drei", "bpm = 90\n")
    assert run(["store", "gc"]) == 2
    assert "bpm" in capsys.readouterr().err
    assert run(["store", "gc", "--older-than", "soon"]) == 2


def test_verify_finds_a_flipped_bit(songs: Songs, capsys: pytest.CaptureFixture[str]) -> None:
    assert "0 bad" in said(capsys, "store", "verify")
    path = songs.outputs / "eins" / "eins.s1.flac"
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)

    assert "bad eins/eins.s1.flac" in said(capsys, "store", "verify", code=1)


def test_gc_lists_first_and_deletes_when_told(
    tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]
    songs.write("eins")
    carry_out(songs.project())
    songs.edit("eins", "calm", "wild")
    carry_out(songs.project())
    monkeypatch.chdir(songs.folder)

    listed = said(capsys, "store", "gc", "--older-than", "0")
    assert "could go; --yes deletes them" in listed
    assert len(list(songs.outputs.glob("*/old/*.flac"))) == 2
    said(capsys, "store", "gc", "--older-than", "0", "--yes")

    assert list(songs.outputs.glob("*/old/*")) == []
    assert "nothing to free" in said(capsys, "store", "gc", "--older-than", "0")
