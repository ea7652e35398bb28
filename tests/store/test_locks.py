"""Locks between processes and machines: who holds what beside whom, and where the kernel says they wouldn't reach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from renderer.store.locks import is_locked, locked, locked_with_others, why_local

HOLD = """
import sys
from pathlib import Path
from renderer.store.locks import locked
with locked(Path(sys.argv[1]), timeout_seconds=0.0):
    print("held", flush=True)
    sys.stdin.read()
"""
_MOUNTS = (
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "40 21 0:30 / /net/good rw,relatime shared:2 - nfs4 box:/a rw,vers=4.2,local_lock=none,addr=10.0.0.1",
    "41 21 0:31 / /net/bad rw,relatime - nfs box:/b rw,vers=3,nolock,local_lock=all",
    r"42 21 0:32 / /net/with\040space rw - nfs box:/c rw,vers=3,local_lock=flock",
    "43 21 0:33 / /scratch rw - lustre mds:/x rw,lazystatfs",
    "44 21 0:34 / /work rw - lustre mds:/y rw,flock",
    "45 21 0:35 / /home/me/far rw - fuse.sshfs me@far:/ rw",
    "46 41 8:2 / /net/bad/disk rw - xfs /dev/sdb1 rw",
    "odd",
)
MOUNTS = "\n".join(_MOUNTS)


def test_a_lock_of_another_process_is_seen_and_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert is_locked(path)
        with pytest.raises(BlockingIOError), locked_with_others(path, timeout_seconds=0.0):
            pass
        holder.kill()
        holder.wait()
        assert not is_locked(path)


def test_several_hold_a_lock_together_and_none_alone_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked_with_others(path, timeout_seconds=0.0), locked_with_others(path, timeout_seconds=0.0):
        assert is_locked(path)
        with pytest.raises(BlockingIOError), locked(path, timeout_seconds=0.05):
            pass
    with locked(path, timeout_seconds=0.0):
        pass


@pytest.mark.parametrize("folder", ["/songs", "/net/good/songs", "/srv/x", "/net/bad/disk/songs", "/net/badly"])
def test_where_locks_reach_every_machine_nothing_is_said(folder: str) -> None:
    assert why_local(Path(folder), MOUNTS) is None


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("/net/bad/songs", "`/net/bad` is mounted as nfs with local_lock=all, nolock"),
        ("/net/with space/songs", "`/net/with space` is mounted as nfs with local_lock=flock"),
        ("/scratch", "`/scratch` is mounted as lustre"),
        ("/home/me/far/songs", "`/home/me/far` is mounted as fuse.sshfs"),
    ],
)
def test_where_they_stay_on_one_machine_it_says_by_which_mount(folder: str, told: str) -> None:
    assert why_local(Path(folder), MOUNTS) == told
