"""What a pool of processes on this machine promises beyond `WorkerPool`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.models.model_files import Residency
from renderer.run.executor import ExecutorConfig
from renderer.run.local import LocalPool
from renderer.run.messages import DropParts, Dropped, Ready
from tests.run.contract import harness

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_workers_start_behind_the_command_that_is_asked_for(tmp_path: Path) -> None:
    config = ExecutorConfig(
        settings=(harness.settings(),),
        log=tmp_path / "worker.log",
        residency=Residency.ALONE,
        module=harness.WORKER,
    )
    pool = LocalPool(config, prefix=("env", "STARTED_BY=env"))
    try:
        pool.send(0, DropParts())
        said = [pool.next(60.0), pool.next(60.0)]
        (pid,) = pool.pids
        assert psutil.Process(pid).environ()["STARTED_BY"] == "env"
    finally:
        pool.end(0)
    assert [type(event) for _, event in filter(None, said)] == [Ready, Dropped]
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(("asked", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_waiting_threads_of_a_worker_leave_the_cores_to_others_unless_asked_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], policy: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    config = ExecutorConfig(
        settings=(harness.settings(),), log=tmp_path / "worker.log", residency=Residency.ALONE, module=harness.WORKER
    )
    pool = LocalPool(config)
    try:
        pool.send(0, DropParts())
        assert pool.next(60.0) is not None
        assert psutil.Process(*pool.pids).environ()["OMP_WAIT_POLICY"] == policy
    finally:
        pool.end(0)
