"""What a pool of processes on this machine promises beyond `WorkerPool`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.models.model_files import Residency
from renderer.run.executor import ExecutorConfig
from renderer.run.local import LocalPool
from renderer.run.messages import DropParts, Dropped, Ready
from tests.patience import PATIENCE_SECONDS
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
        said = [pool.next(PATIENCE_SECONDS), pool.next(PATIENCE_SECONDS)]
        (pid,) = pool.pids
        assert psutil.Process(pid).environ()["STARTED_BY"] == "env"
    finally:
        pool.end(0)
    assert [type(event) for _, event in filter(None, said)] == [Ready, Dropped]
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
    ],
)
def test_waiting_threads_of_a_worker_leave_the_cores_to_others_unless_asked_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], told: dict[str, str]
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    config = ExecutorConfig(
        settings=(harness.settings(),), log=tmp_path / "worker.log", residency=Residency.ALONE, module=harness.WORKER
    )
    pool = LocalPool(config)
    try:
        pool.send(0, DropParts())
        assert pool.next(PATIENCE_SECONDS) is not None
        heard = psutil.Process(*pool.pids).environ()
        assert {name: heard[name] for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in heard} == told
    finally:
        pool.end(0)
