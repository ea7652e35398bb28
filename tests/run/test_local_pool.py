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
