"""Signs that move a cursor or turn the writing round are escaped wherever a person reads; links show no secret."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SET = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")
ODD = "\u202ea\u2066b\u200f\u061c\u2028c\u00adxy"  # right to left, isolates, marks, a line separator, a soft hyphen
SECRET = "hunter2"


def assert_plain(words: str) -> None:
    """Nothing in it but what is seen where it stands, and line ends."""
    signs = {sign for sign in words if unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert signs <= {"\n"}, sorted(map(hex, map(ord, signs)))


@pytest.fixture
def odd(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Songs:
    songs = Songs(tmp_path / f"pro{ODD}ject", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write(f"ei{ODD}ns")
    carry_out(songs.project())
    monkeypatch.chdir(songs.folder)
    return songs


def commands(name: str) -> dict[str, tuple[str, ...]]:
    return {
        "check": ("check",),
        "github": ("check", "--format", "github"),
        "plan": ("plan", *SET),
        "status": ("status", *SET),
        "status of one": ("status", f"{name}.s1", *SET),
        "show": ("show", *SET),
        "keep": ("keep", f"{name}.s1", "--note", f"n{ODD}"),
        "pin": ("pin", f"{name}.s1"),
        "report": ("report", "--no-measure", "--to", f"pa{ODD}ge", *SET),
        "verify": ("store", "verify"),
        "gc": ("store", "gc", "--older-than", "0"),
        "render": ("render", "--no-measure", *SET),
        "new": ("new", f"zw{ODD}ei"),
        "schema": ("schema", f"sche{ODD}mas"),
        "import": ("import", f"ex{ODD}.json"),
        "no such take": ("render", f"no{ODD}body", *SET),
        "no such file": ("check", f"no{ODD}.toml"),
        "no such option": ("check", f"--no{ODD}"),
        "no such command": (f"no{ODD}",),
        "no such choice": ("check", "--format", f"no{ODD}"),
        "no such lint": ("check", "--explain", f"no{ODD}"),
        "no such model": ("plan", "--model", f"no{ODD}"),
        "no such device": ("plan", "--device", f"no{ODD}"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("command", commands(""))
def test_every_output_that_a_person_reads_is_plain(odd: Songs, command: str, capfd: pytest.CaptureFixture[str]) -> None:
    example = {"caption": f"slow{ODD} blues", "lyrics": "[verse]\nla", f"ke{ODD}y": 1}
    (odd.folder / f"ex{ODD}.json").write_text(json.dumps(example), "utf-8")
    if command in ("check", "github"):
        text = f'caption = "x{ODD}"\nlyrics = "[verse]\\n{ODD}"\nke-y = "{ODD}"\n[metas]\nkeyscale = "{ODD}"\n'
        (odd.folder / "specs" / f"faul{ODD}ty.toml").write_text(text.replace("\u2028", ""), "utf-8")
    code = run(list(commands(f"ei{ODD}ns")[command]))
    captured = capfd.readouterr()

    assert code in (0, 2)
    assert captured.out + captured.err
    assert_plain(captured.out)
    assert_plain(captured.err)


def of_env(folder: Path) -> Path:
    file = folder / ".env"
    file.write_text(f"TOKEN={SECRET}\n", "utf-8")
    return file


def of_pyproject(folder: Path) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(f'token = "{SECRET}"\n', "utf-8")
    return file


def of_credentials(folder: Path) -> Path:
    outside = folder.parent / "credentials.toml"
    outside.write_text(f'[registry]\ntoken = "{SECRET}"\ncaption = "{SECRET}"\n', "utf-8")
    return outside


@pytest.mark.parametrize("make", [of_env, of_pyproject, of_credentials], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", ["song.toml", "renderer.toml"])
@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_a_link_to_a_file_of_another_kind_shows_none_of_its_lines(
    tmp_path: Path,
    make: Callable[[Path], Path],
    name: str,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    (project / ".git").mkdir()
    (project / "specs" / "good.toml").write_text('caption = "slow blues"\ninstrumental = true\n', "utf-8")
    (project / "specs" / name).symlink_to(make(project))
    monkeypatch.chdir(project)

    assert run(["check", "--format", form]) == 2
    captured = capfd.readouterr()
    assert name in captured.out
    assert SECRET not in captured.out + captured.err


def test_a_spec_that_is_a_link_to_a_spec_of_the_project_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "song.toml").write_text('caption = "slow blues"\ninstrumental = true\nbpm = 9\n', "utf-8")
    (tmp_path / "specs" / "linked.toml").symlink_to(tmp_path / "song.toml")
    monkeypatch.chdir(tmp_path)

    assert run(["check"]) == 2
    assert "bpm = 9" in capfd.readouterr().out
