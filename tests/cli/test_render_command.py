"""`renderer render` and `renderer plan` as a user's terminal sees them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = """
titel = "x"
title = ""
caption = 7
lyrics = "[verse]\\nla"
seeds = [1, 1]
[metas]
bpm = 400
[inference]
shift = nan
"""
GOOD = """
title = "[bold]Eins[/x] \\u001b[31m"
caption = "calm piano"
lyrics = "[verse]\\nla la"
seeds = [1]
[metas]
bpm = 90
duration = {duration}
"""


def renderer(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "renderer", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "80"},
    )


@pytest.fixture
def project(tmp_path: Path, tiny_set: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "renderer.toml").write_text(f'model = "{tiny_set}"\n', "utf-8")
    return tmp_path


def test_all_faults_are_told_in_one_go_and_nothing_is_written(project: Path) -> None:
    (project / "specs" / "broken.toml").write_text(BROKEN, "utf-8")

    done = renderer(project, "render")

    assert done.returncode == 2
    for place in (
        "broken.toml:2:",
        "broken.toml:3:",
        "broken.toml:4:",
        "broken.toml:6:",
        "broken.toml:8:",
        "broken.toml:10:",
    ):
        assert place in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "outputs").exists()


def test_a_song_renders_and_a_program_can_read_what_happened(project: Path) -> None:
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=10), "utf-8")

    planned = json.loads(renderer(project, "plan", "--json").stdout)
    done = renderer(project, "render", "--json", "--threads", "1")

    assert [take["runs"] for take in planned["takes"]] == [["cot", "codes", "latents", "waveform"]]
    assert (done.returncode, json.loads(done.stdout)["rendered"]) == (0, ["eins.s1"])
    assert (project / "outputs" / "report" / "index.html").exists()
    assert "\x1b" not in done.stderr


def test_ctrl_c_stops_in_good_order(project: Path) -> None:
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=240), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "renderer", "render", "--threads", "1"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "loaded lm" in line:
            break

    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)

    assert process.returncode == 130
    assert "stopped" in rest
    assert "Traceback" not in rest


def test_an_unknown_name_gets_a_suggestion(project: Path) -> None:
    (project / "specs" / "eins.toml").write_text(GOOD.format(duration=10), "utf-8")

    done = renderer(project, "render", "einz")

    assert done.returncode == 2
    assert "did you mean `eins`" in done.stderr


def test_a_text_that_was_cut_gets_a_line_at_the_end(project: Path) -> None:
    long = GOOD.replace("calm piano", "warm and slow upright piano " * 60).format(duration=10)
    (project / "specs" / "eins.toml").write_text(
        long + "[inference]\nthinking = false\nuse_cot_metas = false\n", "utf-8"
    )

    done = renderer(project, "render", "--threads", "1", "--no-measure")

    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("note ")]
    assert line.startswith("note eins.s1: the text prompt has ")
    assert line.endswith(" tokens, the DiT hears 256: the metas at its end are lost")
