"""What a release consists of: the same bytes from whoever builds it, all that the program needs, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

import renderer
from renderer.models.catalog.zoo import MINI_FOLDER
from tests.release.build import ROOT, Built, build, metadata_of, unpack, wheel_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EPOCH = 1_790_000_000


def tracked() -> set[str]:
    """The checkout's files that git knows."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in names.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files as they are now, with what a working tree has beside them."""
    folder = tmp_path_factory.mktemp("source")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for name in (".venv/lib/a.py", "notes.txt", "renderer/__pycache__/x.pyc", "outputs/a/a.s1.flac", "dist/old.whl"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not of a release")
    return folder


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(source, tmp_path_factory.mktemp("built"), epoch=EPOCH)


def test_who_builds_it_again_gets_the_same_bytes(source: Path, built: Built, tmp_path: Path) -> None:
    """In another folder, at another time, with another umask."""
    moved = tmp_path / "elsewhere" / "of another length"
    moved.parent.mkdir()
    subprocess.run(["cp", "-r", source, moved], check=True)
    again = build(moved, tmp_path / "again", epoch=EPOCH, umask=0o077)

    assert again.sdist.read_bytes() == built.sdist.read_bytes()
    assert again.wheel.read_bytes() == built.wheel.read_bytes()


def test_the_sdist_alone_gives_the_same_wheel(built: Built, tmp_path: Path) -> None:
    unpacked, epoch = unpack(built.sdist, tmp_path / "sdist")
    again = build(unpacked, tmp_path / "again", epoch=epoch)

    assert epoch == EPOCH
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    ours = {name for name in tracked() if name.startswith("renderer/")}
    files = wheel_files(built.wheel)
    about = {name.partition("/")[2] for name in files if ".dist-info/" in name}

    assert {name for name in files if ".dist-info/" not in name} == ours
    assert about == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert {"renderer/py.typed", "renderer/report/style.css"} <= ours
    assert all(files[name] == (ROOT / name).read_bytes() for name in ours)
    weights = [path for path in MINI_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.suffix == ".safetensors" for path in weights) > 3
    assert {path.relative_to(ROOT).as_posix() for path in weights} <= ours


def test_the_sdist_holds_what_is_tracked_and_nothing_else(built: Built, tmp_path: Path) -> None:
    unpacked, _ = unpack(built.sdist, tmp_path)
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}

    apart = (".ci/", "outputs/")
    assert files - {"PKG-INFO"} == {name for name in tracked() if not name.startswith(apart)}


def test_the_metadata_are_valid_and_say_what_the_project_file_says(built: Built) -> None:
    told = metadata_of(built.wheel)
    project = PROJECT["project"]

    assert (told["Name"], told["Version"]) == ("renderer", renderer.__version__)
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Requires-Python"] == project["requires-python"]
    assert told["Description-Content-Type"] == "text/markdown"
    assert str(told.get_payload()).startswith("# renderer\n")
    assert set(told.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    plain = [line for line in told.get_all("Requires-Dist") if "extra ==" not in line]
    assert len(plain) == len(project["dependencies"])
    versions = [one.rpartition(" ")[2] for one in told.get_all("Classifier") if re.search(r":: 3\.\d+$", one)]
    assert versions[0] == project["requires-python"].removeprefix(">=")
    assert [int(version[2:]) for version in versions] == list(range(11, 11 + len(versions)))
    # Beside a licence expression, PyPI refuses one.
    assert not [one for one in told.get_all("Classifier") if one.startswith("License ::")]


def test_every_dependency_is_pinned_as_the_project_allows_it() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines]
    project = PROJECT["project"]
    asked = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    asked += [line for extra in project["optional-dependencies"].values() for line in extra]
    names = {canonicalize_name(pin.name): pin for pin in pins}

    assert [str(pin.specifier)[:2] for pin in pins] == ["=="] * len(pins)
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        if name == project["name"]:
            continue
        assert name in names, f"{name} has no line in constraints.txt"
        matching = [pin for pin in pins if canonicalize_name(pin.name) == name and _same_marker(pin, requirement)]
        assert any(requirement.specifier.contains(str(pin.specifier)[2:]) for pin in matching), requirement


def _same_marker(pin: object, requirement: object) -> bool:
    """Of a package pinned twice, the line for the systems that the requirement is for."""
    of_pin, asked = str(getattr(pin, "marker", "") or ""), str(getattr(requirement, "marker", "") or "")
    return not of_pin or of_pin in asked or "sys_platform" not in asked


def test_the_changelog_begins_with_this_version() -> None:
    headings = re.findall(r"(?m)^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"))

    assert headings[0] == re.sub(r"\.dev\d+$", "", renderer.__version__)
    assert headings == sorted(headings, key=lambda text: [int(part) for part in text.split(".")], reverse=True)


def test_installed_from_the_wheel_it_renders(built: Built, tmp_path: Path) -> None:
    """Beside the libraries of the tests; in an environment of its own, `make release-check` does."""
    site, songs = tmp_path / "site", tmp_path / "songs"
    pip = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(built.wheel)], check=True)
    (songs / "specs").mkdir(parents=True)
    (songs / "specs" / "eins.toml").write_text('caption = "piano"\ninstrumental = true\nmodel = "mini"\n', "utf-8")

    def run(*arguments: str) -> str:
        command = [sys.executable, str(site / "bin" / "renderer"), *arguments]
        env = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=songs, env=env, capture_output=True, text=True, check=True).stdout

    assert run("--version") == f"renderer, version {renderer.__version__}\n"
    home = subprocess.run(
        [sys.executable, "-c", "import renderer; print(renderer.__file__)"],
        cwd=songs,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert home.startswith(str(site))
    assert "1 rendered" in run("render", "--preview", "5", "--no-measure", "--device", "cpu", "--threads", "1")
    assert (songs / "outputs" / "eins" / "eins.s0.preview5.flac").stat().st_size > 100_000


def test_nothing_of_the_package_imports_the_tests(built: Built) -> None:
    python = {name: data.decode() for name, data in wheel_files(built.wheel).items() if name.endswith(".py")}

    assert len(python) > 300
    assert [name for name, text in python.items() if re.search(r"(?m)^\s*(?:from|import) (?:tests|ci)\b", text)] == []
