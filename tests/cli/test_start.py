"""Commands that load no weights start without the libraries that do."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("torch", "transformers", "diffusers")
SPEC = 'title = "Eins"\ncaption = "calm piano"\nlyrics = """\n[verse]\nla\n"""\nseeds = [1, 2]\nmodel = "turbo"\n'


def modules_after(folder: Path, *arguments: str) -> tuple[int, set[str]]:
    """Exit code of a command line, and the heavy modules it imported."""
    code = (
        "import sys\nfrom renderer.cli.main import run\n"
        f"code = run({list(arguments)!r})\n"
        f"print('HEAVY', *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("HEAVY")]
    return done.returncode, set(line.split()[1:])


@pytest.mark.slow
@pytest.mark.parametrize("command", [["check"], ["plan"], ["plan", "--json"], ["--help"], ["render", "--help"]])
def test_it_imports_no_model_library(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "eins.toml").write_text(SPEC, "utf-8")

    assert modules_after(tmp_path, *command) == (0, set())


@pytest.mark.slow
def test_importing_the_package_imports_no_model_library(tmp_path: Path) -> None:
    code = f"import sys, renderer; print([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
