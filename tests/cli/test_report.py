"""`renderer report` as a user's terminal sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = 'title = "Eins"\ncaption = "calm piano"\nlyrics = "[verse]\\nla la"\nseeds = [1, 2]\n[metas]\nduration = 10\n'
WITHOUT = "import sys; sys.modules[{!r}] = None; from renderer.cli.main import main; main()"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "80"},
    )


def project(folder: Path, tiny_set: Path) -> Path:
    (folder / "specs").mkdir()
    (folder / "renderer.toml").write_text(f'model = "{tiny_set}"\n', "utf-8")
    (folder / "specs" / "eins.toml").write_text(SPEC, "utf-8")
    return folder


@pytest.mark.slow
def test_before_anything_is_rendered_the_page_says_so(tmp_path: Path, tiny_set: Path) -> None:
    done = run(project(tmp_path, tiny_set), "-m", "renderer", "report")
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.strip())
    assert page == tmp_path / "outputs" / "report" / "index.html"
    assert "2 waiting" in page.read_text("utf-8")
    assert "Nothing has run yet" in page.read_text("utf-8")


@pytest.mark.slow
def test_without_the_extra_serving_says_what_to_install(tmp_path: Path, tiny_set: Path) -> None:
    done = run(project(tmp_path, tiny_set), "-c", WITHOUT.format("starlette"), "report", "--serve")
    assert done.returncode == 2
    assert "serving needs `starlette`" in done.stderr
    assert "pip install 'renderer[serve]'" in done.stderr


@pytest.mark.slow
def test_a_picks_file_that_is_broken_is_named_not_overwritten(tmp_path: Path, tiny_set: Path) -> None:
    folder = project(tmp_path, tiny_set)
    (folder / "specs" / "picks.toml").write_text('["eins.s1"]\nvote = "love"\n', "utf-8")
    done = run(folder, "-m", "renderer", "report")
    assert done.returncode == 2
    assert "picks.toml:2:8" in done.stderr
    assert '2 | vote = "love"' in done.stderr
    assert "^^^^^^ it is `keep` or `reject`" in done.stderr
    assert (folder / "specs" / "picks.toml").read_text("utf-8") == '["eins.s1"]\nvote = "love"\n'
