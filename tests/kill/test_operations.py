"""Whichever disk operation a command is ended before, or the power is cut at: nothing is lost, and it goes on.

The short form takes a few operations of each command that writes; `-m long` takes all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kill.operations import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.slow

FEW: dict[str, int] = {
    "keep": 2,
    "pin": 4,
    "new": 2,
    "import a take": 2,
    "store gc": 6,
    "report": 2,
    "render": 31,
    "render --shard": 41,
}
"""Scenario -> how many operations lie between two that are tried in the short form."""


def carry_out(how: str, scenario: str, folder: Path, model: Path, *, every: int, prefix: Sequence[str] = ()) -> Any:
    (folder / "model").symlink_to(model)
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "tests.kill.operations", how, scenario, str(folder), str(every)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def may_mount() -> bool:
    """Whether this machine lets a test mount a file: root does, in a container that may."""
    if sys.platform != "linux" or os.geteuid() or not shutil.which("mkfs.ext4"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        steps = "truncate -s 2M disk && mkfs.ext4 -q -F disk && mkdir on && mount -o loop disk on && umount -d on"
        return (
            subprocess.run(
                ["unshare", "-m", "sh", "-c", steps], cwd=folder, capture_output=True, check=False
            ).returncode
            == 0
        )


@pytest.mark.parametrize("scenario", FEW)
def test_a_command_killed_before_some_of_its_operations_loses_nothing(
    scenario: str, tmp_path: Path, tiny_set: Path
) -> None:
    assert carry_out("kill", scenario, tmp_path, tiny_set, every=FEW[scenario])["kills"] >= 3


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_command_killed_before_any_of_its_operations_loses_nothing(
    scenario: str, tmp_path: Path, tiny_set: Path
) -> None:
    done = carry_out("kill", scenario, tmp_path, tiny_set, every=1)
    print(scenario, done)
    assert done["kills"] == done["operations"] >= 5


@pytest.mark.long
@pytest.mark.skipif(not may_mount(), reason="mounting a file is not allowed here")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_was_told_written_is_there_after_any_power_cut(scenario: str, tmp_path: Path, tiny_set: Path) -> None:
    # In a mount namespace of its own: nothing stays mounted, however it ends.
    done = carry_out("cut", scenario, tmp_path, tiny_set, every=1, prefix=("unshare", "-m"))
    print(scenario, done)
    assert done["cuts"] >= 5


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="a descriptor's path is told by /proc")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_file_is_flushed_before_it_gets_its_name_and_the_name_after(
    scenario: str, tmp_path: Path, tiny_set: Path
) -> None:
    print(scenario, carry_out("trace", scenario, tmp_path, tiny_set, every=1))


@pytest.mark.skipif(sys.platform != "linux", reason="a descriptor's path is told by /proc")
@pytest.mark.parametrize("scenario", ["pin", "import", "render"])
def test_some_files_are_flushed_before_they_get_their_names_and_these_after(
    scenario: str, tmp_path: Path, tiny_set: Path
) -> None:
    assert carry_out("trace", scenario, tmp_path, tiny_set, every=1)["named"] > 1


@pytest.mark.skipif(not may_mount(), reason="mounting a file is not allowed here")
@pytest.mark.parametrize("scenario", ["keep", "report"])
def test_what_was_told_written_is_there_after_some_power_cuts(scenario: str, tmp_path: Path, tiny_set: Path) -> None:
    assert carry_out("cut", scenario, tmp_path, tiny_set, every=2, prefix=("unshare", "-m"))["cuts"] >= 3


@pytest.mark.parametrize(
    "command", ["check", "plan --device cpu", "status --device cpu", "show eins.s1", "models", "--help"]
)
def test_a_command_that_only_reads_writes_nothing(command: str, tmp_path: Path, tiny_set: Path) -> None:
    """Counted like the others: not one operation below the project."""
    (tmp_path / "model").symlink_to(tiny_set)
    script = READ.format(folder=str(tmp_path), arguments=command.split())
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    ).stdout
    assert told.splitlines()[-1] == "0 operations, code 0"


READ = """
from pathlib import Path
from tests.kill import operations
folder = Path({folder!r})
scenario = operations.Scenario(prepare=operations.rendered, run=operations.command(*{arguments!r}))
operations._prepare(scenario, folder / "before", folder / "model")
print("%d operations, code %d" % operations._life(scenario, folder / "before", at=None))
"""
