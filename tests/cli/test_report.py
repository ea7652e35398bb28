"""`renderer report` as a user's terminal sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.cli.main import run as run_here
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

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


@pytest.mark.slow
def test_in_a_pipe_measuring_is_told_once_and_beside_the_pages_path(
    tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("eins", SPEC)
    carry_out(songs.project())
    monkeypatch.chdir(songs.folder)

    assert run_here(["report"]) == 0
    told = capsys.readouterr()
    assert Path(told.out.strip()) == songs.outputs / "report" / "index.html"
    assert told.err.startswith("measuring 2 sounds\n")
    assert "\x1b" not in told.err

    assert run_here(["report"]) == 0
    assert capsys.readouterr().err == "", "nothing is measured twice, and a small page is no wait"


def test_a_page_of_many_takes_is_told_before_it_is_written(
    tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("eins", SPEC)
    for number in range(1000):
        (songs.outputs / ".store" / "takes" / f"old.s{number}").mkdir(parents=True)
    monkeypatch.chdir(songs.folder)

    assert run_here(["report", "--no-measure"]) == 0
    assert capsys.readouterr().err == "writing the page\n"
