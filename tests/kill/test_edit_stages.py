"""Killed in each stage of edits, worker and parent, a project of edits ends as one that nobody disturbed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kill.edit_stages import STAGES, write
from tests.kill.harness import Project, check_batch, check_promises, sounds, warm_workers
from tests.pipeline.test_timestamps import hearing_set


def life(folder: Path, warm: Path, *stages: str) -> int:
    """How the life ended whose worker was to be killed in the first of these stages, and its parent in the other."""
    command = [sys.executable, "-m", "tests.kill.edit_stages", str(folder), str(warm), *stages]
    return subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode


@pytest.mark.slow
def test_killed_in_each_stage_of_an_edit_it_ends_with_the_same_bytes(tmp_path: Path, tiny_set: Path) -> None:
    model = hearing_set(tiny_set, tmp_path / "hearing")
    undisturbed, killed = (Project(tmp_path / name) for name in ("undisturbed", "killed"))
    for project in (undisturbed, killed):
        write(project.folder, model)

    with warm_workers(tmp_path / "warm") as warm:
        assert life(undisturbed.folder, warm) == 0
        for of_worker, of_parent in zip(*[iter(STAGES)] * 2, strict=True):
            assert life(killed.folder, warm, of_worker, of_parent) == -signal.SIGKILL
            check_promises(killed)
        assert life(killed.folder, warm) == 0

    check_promises(killed)
    check_batch(killed, sounds(undisturbed))
    lrc = {path.name: path.read_bytes() for path in undisturbed.outputs.glob("*/*.lrc")}
    assert lrc
    assert lrc == {path.name: path.read_bytes() for path in killed.outputs.glob("*/*.lrc")}


@pytest.mark.long
@pytest.mark.parametrize("stage", STAGES)
def test_killed_again_and_again_in_one_stage_it_ends_with_the_same_bytes(
    stage: str, tmp_path: Path, tiny_set: Path
) -> None:
    model = hearing_set(tiny_set, tmp_path / "hearing")
    undisturbed, killed = (Project(tmp_path / name) for name in ("undisturbed", "killed"))
    for project in (undisturbed, killed):
        write(project.folder, model)
    with warm_workers(tmp_path / "warm") as warm:
        assert life(undisturbed.folder, warm) == 0
        num_kills = 0
        # Each life comes a sign of work further: at the very first one, no life would ever leave anything done.
        while (ended := life(killed.folder, warm, stage, stage, str(num_kills))) == -signal.SIGKILL:
            num_kills += 1
            check_promises(killed)
    assert ended == 0
    assert num_kills
    check_batch(killed, sounds(undisturbed))
    shutil.rmtree(killed.outputs)
