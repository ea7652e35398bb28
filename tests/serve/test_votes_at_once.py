"""Votes of many processes at once, by the page and by the command: every one that was told written is there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from renderer.cli.serving import voter
from renderer.pipeline.options import Options
from renderer.report.build import make_report
from renderer.serve import LiveReport, make_site, serving
from renderer.spec.picks import Pick, Vote, read_picks
from tests.patience import PATIENCE_SECONDS
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUM_EACH = 16
START = """
import pathlib, sys, time
ready, go = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
ready.touch()
while not go.exists():
    time.sleep(0.001)
"""
BY_COMMAND = """
from renderer.cli.main import run
from renderer.takes import votes as picks
{start}
sys.exit(run(["keep", sys.argv[3], "--note", "heard " + sys.argv[3]]))
"""
BY_PAGE = """
import json, urllib.request
{start}
body = json.dumps(dict(take=sys.argv[3], vote="reject", note="heard " + sys.argv[3], key="12345678")).encode()
request = urllib.request.Request(sys.argv[4].replace("?", "picks?"), body, headers={{"X-Token": sys.argv[5]}})
sys.exit(urllib.request.urlopen(request).read() != b"written")
"""


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path) -> Songs:
    made = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    made.write("eins")
    made.edit("eins", "seeds = [1, 2]", f"seeds = {list(range(1, 2 * NUM_EACH + 1))}")
    carry_out(made.project())
    return made


@pytest.fixture
def page(songs: Songs) -> Iterator[tuple[str, str]]:
    """Address and token of the served page."""
    project = songs.project()
    live = LiveReport(make_report(project))
    specs = (str(songs.folder / "specs"),)
    site = make_site(live, songs.outputs, voter(specs, Options(device="cpu", threads=1, lm_slots=2), live))
    with serving(site) as url:
        yield url, site.token


@pytest.mark.slow
def test_thirty_two_processes_that_vote_at_once_leave_thirty_two_votes(
    songs: Songs, page: tuple[str, str], tmp_path: Path
) -> None:
    (songs.folder / "specs" / "picks.toml").write_text(
        '# mine\r\n["drei.s1"]\r\nvote = "keep" # the one\r\n', newline=""
    )
    names = [f"eins.s{seed}" for seed in range(1, 2 * NUM_EACH + 1)]
    by_command = names[::2]  # the others by the page
    go = tmp_path / "go"
    running = []
    for name in names:
        code = (BY_COMMAND if name in by_command else BY_PAGE).format(start=START)
        command = [sys.executable, "-c", code, str(tmp_path / name), str(go), name, *page]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        running.append(subprocess.Popen(command, cwd=songs.folder, env=environment, stdout=subprocess.DEVNULL))
    until = time.monotonic() + PATIENCE_SECONDS
    while not all((tmp_path / name).exists() for name in names):
        assert time.monotonic() < until
        time.sleep(0.05)
    go.touch()
    told = [process.wait(PATIENCE_SECONDS) for process in running]

    assert told == [0] * len(names)
    picks = read_picks(songs.folder / "specs" / "picks.toml")
    assert picks.pop("drei.s1") == Pick(vote=Vote.KEEP)
    assert sorted(picks) == sorted(names)
    assert all(picks[name].note == f"heard {name}" for name in names)
    assert {name for name in names if picks[name].vote is Vote.KEEP} == set(by_command)
    raw = (songs.folder / "specs" / "picks.toml").read_bytes()
    assert raw.startswith(b'# mine\r\n["drei.s1"]\r\nvote = "keep" # the one\r\n')
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert {path.name for path in (songs.folder / "specs").iterdir()} == {"eins.toml", "picks.toml"}
