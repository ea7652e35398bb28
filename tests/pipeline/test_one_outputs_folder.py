"""A project has one outputs folder, whatever of it is named and wherever from; a library there is found again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.select import select
from renderer.spec.load import load_songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPEC = 'caption = "calm piano"\ninstrumental = true\nmodel = "{model}"\n[metas]\nduration = 10\n'
FILES = ("specs/a.toml", "specs/album/b.toml", "specs/album/live/c.toml")
# What there is beside the specs, and where `outputs` lies then.
PROJECTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "nothing": ((), "."),
    "defaults at the root": (("renderer.toml",), "."),
    "defaults beside the specs": (("specs/renderer.toml",), "."),
    "git": ((".git/HEAD",), "."),
    "git further up": (("../.git/HEAD",), ".."),
    "defaults below git": (("../.git/HEAD", "renderer.toml"), "."),
    "a library below git": (("../.git/HEAD", "outputs/.store/journal.jsonl"), "."),
    "a library above": (("../outputs/.store/journal.jsonl",), ".."),
    "a library above git": ((".git/HEAD", "../outputs/.store/journal.jsonl"), ".."),
    "defaults and a library above": (("renderer.toml", "../outputs/.store/journal.jsonl"), "."),
    "outputs that hold no library": (("specs/outputs/notes.txt",), "."),
}


def write(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


@pytest.mark.parametrize(("beside", "expected"), PROJECTS.values(), ids=PROJECTS.keys())
def test_every_argument_from_every_folder_means_the_same_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: tuple[str, ...], expected: str
) -> None:
    root = tmp_path / "home" / "project"
    for name in FILES:
        write(root, name, SPEC.replace("{model}", "mini"))
    for name in beside:
        write(root, name)
    (root / "elsewhere").mkdir()
    for here in (root, root / "specs", root / "specs" / "album", root / "elsewhere", tmp_path):
        monkeypatch.chdir(here)
        for argument in (".", "specs", "specs/album", *FILES):
            songs = load_songs([root / argument]).songs
            found = {song.outputs for song in songs}
            assert found == {(root / expected / "outputs").resolve()}, (here, argument)
    assert len(load_songs([root]).songs) == len(FILES)


def test_without_any_mark_it_is_the_working_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "songs/a.toml", SPEC.replace("{model}", "mini"))
    write(tmp_path, "songs/rock/b.toml", SPEC.replace("{model}", "mini"))
    monkeypatch.chdir(tmp_path)

    assert {song.outputs for song in load_songs(["songs"]).songs} == {tmp_path / "outputs"}


def test_albums_without_a_mark_are_planned_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_set: Path
) -> None:
    for name in FILES:
        write(tmp_path, name, SPEC.replace("{model}", str(tiny_set)))
    monkeypatch.chdir(tmp_path)

    assert run(["plan", "--device", "cpu"]) == 0
    assert "3 of 3 takes to render" in capsys.readouterr().out
    assert run(["status", "--device", "cpu", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"] == str(tmp_path / "outputs")
    assert run(["status", "--device", "cpu"]) == 0
    assert f"outputs: {tmp_path / 'outputs'}\n" in capsys.readouterr().out


@pytest.mark.parametrize("mark", ["../.git/HEAD", ".git/HEAD", "renderer.toml"])
def test_a_library_is_found_again_when_its_project_gets_a_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_set: Path, mark: str
) -> None:
    root = tmp_path / "project"
    write(root, "specs/album/b.toml", SPEC.replace("{model}", str(tiny_set)))
    monkeypatch.chdir(root)

    def project(named: str) -> Project:
        options = Options(device="cpu", threads=1)
        return Project(select([named], options).takes, options)

    carry_out(project("specs"))
    assert (root / "outputs" / "b" / "b.s0.flac").exists()
    write(root, mark)
    monkeypatch.chdir(root / "specs")

    assert [str(take.why) for take in project("album/b.toml").plan().takes] == ["done"]
    assert not [song for song in load_songs([root]).songs if song.name != "b"]
