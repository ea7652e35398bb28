"""A name that is too long for what will be made of it is refused by `check`; one that is not goes all the way."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.errors import UsageError
from renderer.pipeline.project import Project
from renderer.plan.jobs import Why
from renderer.spec.load import load_songs
from renderer.spec.name_lengths import ADDED_BYTES, NAME_BYTES, length_fault, name_room
from renderer.store.verify import verify
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from pathlib import Path

ROOM = NAME_BYTES - ADDED_BYTES
SPEC = 'caption = "calm piano"\ninstrumental = true\nseeds = [4294967295]\n[metas]\nduration = 20\n'


def codes(folder: Path, name: str, more: str = "") -> list[tuple[str, str]]:
    (folder / f"{name}.toml").write_text(SPEC + more, "utf-8")
    found = [(one.code, one.why) for one in load_songs([folder / f"{name}.toml"]).diagnostics if one.level == "error"]
    (folder / f"{name}.toml").unlink()
    return found


@pytest.mark.parametrize("letter", ["l", "é", "夜", "🌙", "ก"])
def test_bytes_are_counted_and_not_characters(tmp_path: Path, letter: str) -> None:
    fits = ROOM // len(letter.encode())
    assert codes(tmp_path, letter * fits) == []
    for count in (fits + 1, 240 // len(letter.encode())):
        ((code, why),) = codes(tmp_path, letter * count)
        assert code == "name-length"
        assert why.startswith(f"it has {count * len(letter.encode())} bytes, {ROOM} leave room")


@pytest.mark.parametrize(("song", "variant"), [(100, ROOM - 101), (ROOM - 5, 4), (4, ROOM - 5)])
def test_a_variants_name_counts_with_its_songs(tmp_path: Path, song: int, variant: int) -> None:
    assert codes(tmp_path, "l" * song, f"[variants.{'v' * variant}]\nshift = 2.0\n") == []
    ((code, _),) = codes(tmp_path, "l" * song, f"[variants.{'v' * (variant + 1)}]\nshift = 2.0\n")
    assert code == "name-length"


@pytest.mark.parametrize("letter", ["l", "夜"])
def test_the_longest_name_goes_all_the_way(tmp_path: Path, tiny_set: Path, letter: str) -> None:
    """Rendered, edited, previewed, restored, made in another environment, altered by hand: every name it can get."""
    name = letter * (ROOM // len(letter.encode()))
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write(name, SPEC)
    carry_out(songs.project())
    songs.edit(name, "calm", "wild")
    carry_out(songs.project())
    carry_out(songs.project(preview=12.3456))
    songs.edit(name, "wild", "calm")
    carry_out(songs.project())
    first = songs.project()
    first.environment = replace(first.environment, threads=99)
    first.options = replace(first.options, force=True)
    carry_out(first)
    audio = next((songs.outputs / name).glob("*.flac"))
    audio.write_bytes(audio.read_bytes() + b"x")
    old = next((songs.outputs / name / "old").glob("*.flac"))
    old.write_bytes(old.read_bytes() + b"x")
    carry_out(songs.project())
    songs.edit(name, "caption", 'title = "Eins"\ncaption')
    carry_out(songs.project())

    assert {take.why for take in songs.project().plan().takes} == {Why.DONE}
    longest = max(len(path.name.encode()) for path in songs.outputs.rglob("*"))
    assert longest <= NAME_BYTES
    assert all(checked.fault in {"", "altered since it was written"} for checked in verify(songs.project().store))


def test_another_folder_with_less_room_is_refused_before_anything_runs(tmp_path: Path, tiny_set: Path) -> None:
    """As an encrypted folder has it, or one far below others: here by its own length."""
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]
    songs.write("l" * ROOM, SPEC)
    deep = tmp_path
    while len(os.fsencode(deep)) < os.pathconf(tmp_path, "PC_PATH_MAX") - 2 * ROOM - 160:
        deep /= "d" * 150
    assert name_room(deep) < ROOM
    with pytest.raises(UsageError, match="is too long a name for") as refused:
        songs.project(outputs=deep)

    assert "--out" in refused.value.help
    assert not deep.exists()


def test_takes_a_program_made_are_looked_through(tmp_path: Path, tiny_set: Path) -> None:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]
    songs.write("eins", SPEC)
    project = songs.project()
    (take,) = project.takes
    with pytest.raises(UsageError, match="too long a name"):
        Project([replace(take, song=replace(take.song, name="x" * (ROOM + 1)))], project.options)


@pytest.mark.slow
def test_commands_say_it_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / f"{'夜' * 80}.toml").write_text(SPEC, "utf-8")
    for command in ("check", "plan", "render"):
        done = subprocess.run(
            [sys.executable, "-m", "renderer", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        told = done.stdout + done.stderr
        assert done.returncode == 2
        assert "error[name-length]" in told
        assert "240 bytes" in told.replace("\n", " ")
    assert not (tmp_path / "outputs").exists()


def test_a_new_song_is_refused_such_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["new", "夜" * 70]) == 2
    assert "210 bytes" in capsys.readouterr().err
    assert length_fault("夜" * 62) == ""
