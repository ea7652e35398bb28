"""A song project is data: whatever lies in it, no process of ours runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renderer.models.catalog.doctor import _trial
from renderer.models.model_files import ModelFiles
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.processes import python
from renderer.run.messages import DropParts, Dropped, ImportFamily, Ready, values
from renderer.run.process import Inbox, WorkerProcess
from renderer.takes.measure import SoundFile, measure_files, missing_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

SPEC = """
title = "{name}"
caption = "calm piano"
lyrics = "[verse]\\nla la la"
seeds = [1]
[metas]
bpm = 90
duration = 10
"""
SPY = """
import os, sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        with open({told!r}, "a") as file:
            file.write(name.partition(".")[0] + "\\n")
sys.meta_path.insert(0, Spy())
"""
"""A `sitecustomize` that writes down every module that any process asks for, also those that aren't there."""
HOSTILE = """
with open({mark!r}, "a") as file:
    file.write({name!r} + " from " + {where!r} + "\\n")
raise SystemExit("a song project ran code")
"""
RENDER = ("render", "--device", "cpu", "--threads", "1", "--lm-slots", "1", "--preview", "1")
FOLDERS = (".", "specs", "outputs", "outputs/.store", "outputs/report")


class Attack:
    """A song project with a file for every module, and a mark that each of them would leave."""

    def __init__(self, base: Path, model: Path) -> None:
        self.folder = base / "songs"
        self.mark = base / "ran"
        self.program = base / "bin" / "renderer"
        (self.folder / "specs").mkdir(parents=True)
        (self.folder / "specs" / "one.toml").write_text(SPEC.format(name="one"))
        (self.folder / "renderer.toml").write_text(f'model = "{model}"\n[inference]\nuse_cot_caption = false\n')
        self.program.parent.mkdir()
        self.program.write_text("import sys\nfrom renderer.__main__ import main\nsys.exit(main())\n")

    def run(self, *arguments: str, start: str = ".", variables: dict[str, str] | None = None) -> str:
        return self._run([sys.executable, str(self.program), *arguments], start, variables or {})

    def run_module(self, *arguments: str, start: str = ".") -> str:
        return self._run([sys.executable, "-m", "renderer", *arguments], start, {})

    def fill(self, names: set[str]) -> None:
        """Every folder gets each of these as a module, our own and torch as packages too."""
        for start in FOLDERS:
            folder = self.folder / start
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                self._hostile(folder / f"{name}.py", name)
            for name in {"renderer", "torch", "soundfile"} & names:
                (folder / name).mkdir()
                self._hostile(folder / name / "__init__.py", name)
            info = folder / "hostile-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text("[pydantic]\nhostile = hostile\n")
            self._hostile(folder / "hostile.py", "hostile")
            (folder / "libsndfile.so").write_text("no library")
            (folder / ".numba_config.yaml").write_text(f"cache_dir: {self.folder / 'numba'}\n")

    def _hostile(self, path: Path, name: str) -> None:
        where = str(path.parent.relative_to(self.folder))
        path.write_text(HOSTILE.format(mark=str(self.mark), name=name, where=where))

    def _run(self, command: list[str], start: str, variables: dict[str, str]) -> str:
        environment = {"PYTHONPATH": _checkout(), **os.environ, "OMP_NUM_THREADS": "1", **variables}
        done = subprocess.run(
            command,
            cwd=self.folder / start,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert not self.mark.exists(), self.mark.read_text()
        assert done.returncode == 0, done.stdout
        return done.stdout


def _checkout() -> str:
    return str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def asked_for(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> set[str]:
    """The name of every module that command, worker, measuring process or trial of the device look for."""
    base = tmp_path_factory.mktemp("spied")
    spy, told = base / "spy", base / "names"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY.format(told=str(told)))
    calm = Attack(base, tiny_set)
    variables = {"PYTHONPATH": f"{spy}{os.pathsep}{_checkout()}"}
    calm.run(*RENDER, variables=variables)
    calm.run("doctor", "--device", "cpu", variables=variables)
    names = set(told.read_text().split()) | {"sitecustomize", "usercustomize"}
    assert {"torch", "queue", "soundfile", "renderer", "diffusers"} <= names
    assert missing_libraries() or "librosa" in names
    return names


@pytest.fixture
def attack(tmp_path: Path, tiny_set: Path, asked_for: set[str]) -> Attack:
    attack = Attack(tmp_path, tiny_set)
    attack.fill(asked_for)
    return attack


@pytest.mark.parametrize("start", [".", "specs", "outputs/report"])  # beside it, in it, and in a folder of our making
def test_no_module_beside_the_specs_is_run_by_render_or_report(attack: Attack, start: str) -> None:
    specs = str(attack.folder / "specs")
    out = str(attack.folder / "outputs")

    assert "1 rendered" in attack.run(*RENDER, specs, "--out", out, start=start)
    attack.run("report", specs, "--out", out, "--preview", "1", "--device", "cpu", start=start)
    assert not (attack.folder / "numba").exists(), "the measuring process kept code where the project said"


def test_no_module_beside_the_specs_is_run_by_any_other_command(attack: Attack) -> None:
    attack.run(*RENDER, "--no-measure")
    for command in (
        ("check",),
        ("plan", "--device", "cpu"),
        ("status", "--device", "cpu"),
        ("show", "one.s1"),
        ("keep", "one.s1.preview1"),
        ("store", "verify"),
        ("store", "gc"),
        ("models",),
        ("doctor", "--device", "cpu"),
        ("new", "specs/two.toml"),
        ("schema", "schemas"),
        ("--help",),
    ):
        attack.run(*command)


def test_python_m_renderer_runs_no_module_nearby_beyond_what_python_itself_looks_for(
    tmp_path: Path, tiny_set: Path, asked_for: set[str]
) -> None:
    probe = tmp_path / "probe"
    probe.mkdir()
    (probe / "probe.py").write_text("import sys; print(*sys.modules)")
    before = subprocess.run([sys.executable, "-m", "probe"], cwd=probe, capture_output=True, text=True, check=True)
    attack = Attack(tmp_path, tiny_set)
    attack.fill(asked_for - set(before.stdout.split()) - {"renderer", "sitecustomize", "usercustomize"})

    assert "1 rendered" in attack.run_module(*RENDER, "--no-measure")


@pytest.fixture
def hostile_surroundings(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Attack]:
    """In the midst of it, with variables that name the folder one is in, as they come about by `A=$A:/more`."""
    values()  # as every run begins: what messages are read by is imported before this process's own path is hostile
    monkeypatch.chdir(attack.folder)
    for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH"):
        monkeypatch.setenv(name, f":.:specs:{os.environ.get(name, '')}")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "outputs")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "numba")
    monkeypatch.setattr(sys, "path", ["", ".", str(attack.folder), str(attack.folder / "specs"), *sys.path])
    yield attack
    assert not attack.mark.exists(), attack.mark.read_text()
    assert not (attack.folder / "numba").exists()


def test_the_worker_finds_its_modules_whatever_the_variables_say(hostile_surroundings: Attack, tmp_path: Path) -> None:
    settings = pick_settings(Options(device="cpu", threads=1, lm_slots=1))

    inbox, command = Inbox(), python("-m", "renderer.run.worker")
    with WorkerProcess(settings, tmp_path / "worker.log", inbox, command) as worker:
        worker.send(ImportFamily(family="ace_step"))
        worker.send(DropParts())
        said = [inbox.next(), inbox.next()]
        assert [type(event) for _, event in filter(None, said)] == [Ready, Dropped]
        assert not hostile_surroundings.mark.exists()
        assert worker.last_words() == ""


@pytest.mark.skipif(bool(missing_libraries()), reason="renderer[measure] isn't installed")
def test_the_measuring_process_finds_its_modules_whatever_the_variables_say(hostile_surroundings: Attack) -> None:
    import numpy as np
    import soundfile

    song = hostile_surroundings.folder / "specs" / "a.wav"
    soundfile.write(song, np.sin(np.arange(96_000) / 20).astype(np.float32), 48_000)

    # Relative to where the command was started, as `--out outputs` is.
    found = list(measure_files([SoundFile(path=Path("specs/a.wav"), digest="0" * 64)], Path("measured")))

    assert [one.problem for one in found] == [""]
    assert (hostile_surroundings.folder / "measured").is_dir()


def test_the_trial_of_the_device_finds_its_modules_whatever_the_variables_say(hostile_surroundings: Attack) -> None:
    assert not hostile_surroundings.mark.exists()
    assert [found.state for found in _trial("cpu", ["float32"])] == ["fine"]


def test_a_program_in_the_project_is_not_taken_for_the_systems(
    hostile_surroundings: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from renderer.run.sleep_inhibitor import no_idle_sleep

    program = hostile_surroundings.folder / "caffeinate"
    program.write_text(f"#!/bin/sh\necho caffeinate >> {hostile_surroundings.mark}\nexec sleep 5\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    assert shutil.which("caffeinate")

    with no_idle_sleep("darwin"):
        pass


def test_every_path_sent_to_the_worker_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    files = ModelFiles(
        family="ace_step", name="x", kind="turbo", layout="diffusers", dit="a", vae="b", text_encoder="c", lm="d",
        loras=(("e", 1.0),),
    ).absolute()  # fmt: skip

    named = (files.dit, files.vae, files.text_encoder, files.lm, files.loras[0][0])
    assert named == tuple(str(tmp_path / name) for name in "abcde")
    assert files.name == "x"
