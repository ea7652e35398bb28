"""A family that is installed beside the renderer renders, resumes, watches and reports through the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from renderer.formats.read import read_tag
from renderer.store.disk import is_temp
from tests.patience import PATIENCE_SECONDS

SPEC = 'model = "chime"\ncaption = "{caption}"\ninstrumental = true\nseeds = [1, 2]\n\n[metas]\nduration = 10\n'
OPTIONS = ("--device", "cpu", "--threads", "1")


class Folder:
    """A project, and a program that finds the family where packages lie."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packages = path / "packages"
        self.install("chime")
        self.project = path / "project"
        (self.project / "specs").mkdir(parents=True)
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(self.packages), str(Path(__file__).parents[2])]),
            "HOME": str(path / "home"),
            "XDG_CACHE_HOME": str(path / "cache"),
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }

    def install(self, name: str, former: str = "", other: str = "") -> None:
        """The family under that name, with something called otherwise, as a package."""
        info = self.packages / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        text = Path(__file__).with_name("chime.py").read_text().replace('"chime"', f'"{name}"')
        (self.packages / f"{name}_family.py").write_text(text.replace(former, other) if former else text)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[renderer.families]\n{name} = {name}_family:FAMILY\n")

    def write(self, name: str, caption: str) -> None:
        (self.project / "specs" / f"{name}.toml").write_text(SPEC.format(caption=caption))

    def lay_traps(self) -> None:
        """What a song project may hold: modules and packages that nobody is to import."""
        (self.project / "chime_family.py").write_text("raise SystemExit('imported from the project')\n")
        info = self.project / "chime-2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chime\nVersion: 2\n")
        (info / "entry_points.txt").write_text("[renderer.families]\nchime = traps:FAMILY\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "renderer", *arguments],
            cwd=self.project,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start(*arguments)
        told, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == code, told
        return told

    def replace(self, name: str, former: str, text: str) -> None:
        spec = self.project / "specs" / f"{name}.toml"
        spec.write_text(spec.read_text().replace(former, text))

    def plan(self, *arguments: str) -> Any:
        told = self.run("plan", "--json", *OPTIONS, *arguments)
        return json.loads(told[told.index("{") :])

    @property
    def sounds(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.project.glob("outputs/*/*.flac"))}

    def artifacts(self) -> list[Path]:
        found = self.project.glob("outputs/.store/melody/*/*.safetensors")
        return sorted(path for path in found if not is_temp(path.name))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def until(happens: object) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not happens():  # type: ignore[operator]
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.02)


def test_it_is_planned_rendered_and_reported_and_nothing_beside_its_songs_is_imported(folder: Folder) -> None:
    folder.write("tune", "calm")
    folder.lay_traps()

    plan = folder.plan()
    assert [take["runs"] for take in plan["takes"]] == [["melody", "bells"]] * 2
    assert plan["loads"] == {"composer": 1, "tower": 1}
    told = folder.run("render", *OPTIONS)

    assert "2 rendered" in told
    assert list(folder.sounds) == ["tune.s1.flac", "tune.s2.flac"]
    page = (folder.project / "outputs" / "report" / "index.html").read_text()
    assert "the tower" in page
    assert "done" in folder.run("status", *OPTIONS)
    assert "2 done already" in folder.run("render", *OPTIONS)


def test_its_name_is_known_wherever_models_are_named_and_no_folder_of_that_name_takes_it_over(folder: Folder) -> None:
    folder.write("tune", "calm")
    for above in (folder.project, folder.project / "specs"):
        (above / "chime").mkdir()

    assert "1 song in order" in folder.run("check")
    assert [take["runs"] for take in folder.plan()["takes"]] == [["melody", "bells"]] * 2
    assert "no model" not in folder.run("models", "--device", "cpu")
    folder.run("schema")
    assert '"chime"' in (folder.project / "schemas" / "song.schema.json").read_text()
    folder.replace("tune", "chime", "chimme")
    assert "did you mean `chime`?" in folder.run("check", code=2)
    folder.replace("tune", "chimme", "turbo")
    assert [take["runs"] for take in folder.plan("--model", "chime")["takes"]] == [["melody", "bells"]] * 2


@pytest.mark.slow
def test_its_takes_tell_of_it_alone_and_are_imported_with_its_name(folder: Folder) -> None:
    folder.write("tune", "calm")
    folder.run("render", *OPTIONS)

    recipe = tomllib.loads((folder.project / "outputs" / "tune" / "tune.s1.toml").read_text())
    assert "inference" not in recipe["spec"]
    assert set(recipe["versions"]) == {"renderer", "numpy", "soundfile"}
    assert read_tag(folder.project / "outputs" / "tune" / "tune.s1.flac", "comment") == "Rung by renderer"
    assert "its model makes none" in folder.run("pin", "tune.s1", code=2)

    told = folder.run("import", "outputs/tune/tune.s1.flac", "--to", "again")
    assert "folder" not in told
    again = tomllib.loads((folder.project / "again" / "tune-s1.toml").read_text())
    assert (again["model"], again.get("inference")) == ("chime", None)


@pytest.mark.parametrize(
    ("former", "other", "refused"),
    [("", "", "stages called `melody`"), ('"melody"', '"dirge"', "values called `MelodyRequest`")],
)
def test_two_families_with_one_name_for_two_things_are_refused(
    folder: Folder, former: str, other: str, refused: str
) -> None:
    folder.install("knell", former, other)
    folder.write("tune", "calm")
    folder.write("toll", "calm")
    folder.replace("toll", "chime", "knell")

    assert f"two families of models have {refused}" in folder.run("render", *OPTIONS, code=2)
    assert folder.sounds == {}


def test_one_written_for_another_renderer_is_refused_with_what_it_lacks(folder: Folder) -> None:
    folder.install("knell", "def asker(", "def take_requests(")
    folder.write("toll", "calm")
    folder.replace("toll", "chime", "knell")

    for command in ("status", "plan"):
        told = folder.run(command, *OPTIONS, code=2)
        assert "the installed family of models `knell` doesn't fit this renderer" in told
        assert "it lacks `asker`" in told
        assert "Traceback" not in told


def test_what_was_killed_in_its_middle_goes_on_where_it_stopped(folder: Folder) -> None:
    folder.write("tune", "calm")
    render = folder.start("render", *OPTIONS)
    until(lambda: len(folder.artifacts()) == 2)
    os.kill(render.pid, signal.SIGKILL)
    render.communicate(timeout=PATIENCE_SECONDS)
    before = {path: path.stat().st_mtime_ns for path in folder.artifacts()}

    render = folder.start("render", *OPTIONS)
    until(lambda: len(folder.sounds) == 2)
    render.kill()  # nobody waits for the page
    render.communicate(timeout=PATIENCE_SECONDS)

    assert {path: path.stat().st_mtime_ns for path in folder.artifacts()} == before


@pytest.mark.slow
def test_a_take_that_goes_on_from_another_loads_each_part_twice_and_waits_for_it(folder: Folder) -> None:
    folder.write("first", "calm")
    folder.write("second", "wild after first.s1")

    plan = folder.plan()
    assert plan["loads"] == {"composer": 2, "tower": 2}
    folder.run("render", *OPTIONS)
    before = folder.sounds
    folder.write("first", "calm")
    assert "4 done already" in folder.run("render", *OPTIONS)

    assert len(before) == 4


def test_a_take_whose_source_failed_is_told_so(folder: Folder) -> None:
    folder.write("first", "crack")
    folder.write("second", "wild after first.s1")

    told = folder.run("render", *OPTIONS, code=1)

    assert "`first.s1`, which it builds on, failed: a bell cracked" in told
    assert folder.sounds == {}


def test_a_watch_renders_it_and_what_is_saved_later(folder: Folder) -> None:
    folder.write("tune", "calm")
    watch = folder.start("watch", *OPTIONS)
    try:
        until(lambda: len(folder.sounds) == 2)
        folder.write("other", "calm")
        until(lambda: len(folder.sounds) == 4)
    finally:
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=PATIENCE_SECONDS)
