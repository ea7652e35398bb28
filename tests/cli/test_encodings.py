"""Output goes into any terminal's encoding: with replaced characters where it must, and never as a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ENCODINGS = ("ascii", "cp1252", "koi8-r", "shift_jis", "utf-16")
NAME = "рок-夜-🌙"
SPEC = f'title = "{NAME}"\ncaption = "Ñandú 夜 🌙"\nmodel = "mini"\nlyrics = "[Интро 夜]\\nдождь ñ 🌙"\nseeds = [1]\n'
COMMANDS = {
    ("check", "faulty"): 2,
    ("check", "--format", "github", "faulty"): 2,
    ("plan", "--device", "cpu"): 0,
    ("status", "--device", "cpu"): 0,
    ("show",): 0,
    ("render", "夜"): 2,
    ("--help",): 0,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "specs").mkdir()
    (folder / "specs" / f"{NAME}.toml").write_text(SPEC, "utf-8")
    (folder / "faulty").mkdir()
    (folder / "faulty" / f"{NAME}.toml").write_text(SPEC.replace("seeds", "sêeds 🌙"), "utf-8")
    return folder


def said(folder: Path, encoding: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding, "COLUMNS": "120"}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "renderer", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_command_says_what_the_encoding_can_and_ends_as_ever(project: Path, encoding: str) -> None:
    for arguments, code in COMMANDS.items():
        here = said(project, encoding, *arguments)
        told = (here.stdout + here.stderr).decode(encoding, "strict" if encoding == "ascii" else "replace")
        assert here.returncode == code, (arguments, told)
        assert "Traceback" not in told, arguments
        assert told.strip(), arguments


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("arguments", [("check", "--json"), ("show", "--json")])
def test_documents_for_programs_lose_no_character(project: Path, encoding: str, arguments: tuple[str, ...]) -> None:
    plain, here = said(project, "utf-8", *arguments), said(project, encoding, *arguments)

    assert json.loads(here.stdout.decode(encoding)) == json.loads(plain.stdout)


@pytest.mark.slow
def test_a_name_that_is_no_text_at_all_is_told(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "renderer", "check", b"sp\xffcs.toml"], cwd=project, capture_output=True, check=False
    )

    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"does not exist" in done.stderr
