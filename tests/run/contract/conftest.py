"""Each row of `EXECUTORS`, with workers of the toy family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import psutil
import pytest

from renderer.models.model_files import Residency
from renderer.run.executor import EXECUTORS, ExecutorConfig
from tests.patience import PATIENCE_SECONDS
from tests.ray_cluster import WITHOUT_RAY, Simulated, simulated
from tests.run.contract import harness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.run.executor import Executor
    from renderer.run.watchdog import Watchdog


class Make(Protocol):
    def __call__(self, *devices: str, watchdog: Watchdog | None = None) -> Executor:
        """An executor with a worker a device; ended with the test."""


ROWS = [pytest.param(name, marks=WITHOUT_RAY if name == "ray" else ()) for name in EXECUTORS]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out a cluster's rows with one worker: what is the executor's own, the others show, and Ray is slow."""
    rows = {id(item): getattr(item, "callspec", None) for item in items}
    left_out = [
        item
        for item in items
        if (row := rows[id(item)]) and (row.params.get("row"), row.params.get("devices")) == ("ray", 1)
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Simulated]:
    with simulated(num_cpus=16, num_nodes=1) as cluster:
        yield cluster


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An executor's name; where it needs a cluster, one runs."""
    if request.param == "ray":
        monkeypatch.setenv("RAY_ADDRESS", request.getfixturevalue("cluster").address)
    return str(request.param)


@pytest.fixture
def make(row: str, tmp_path: Path) -> Iterator[Make]:
    made: list[Executor] = []

    def make(*devices: str, watchdog: Watchdog | None = None) -> Executor:
        log = tmp_path / f"worker-{len(made)}.log"
        settings = tuple(harness.settings(device) for device in devices)
        config = ExecutorConfig(
            settings=settings, log=log, residency=Residency.ALONE, watchdog=watchdog, module=harness.WORKER
        )
        made.append(EXECUTORS[row].make(config))
        return made[-1]

    before = _workers()
    with harness.registered():
        yield make
        for executor in made:
            executor.end()
            assert executor.pids == ()
    # Those elsewhere end a moment after who spoke for them here.
    left = _workers() - before
    assert not psutil.wait_procs(left, timeout=PATIENCE_SECONDS if row == "ray" else 0.0)[1]


def _workers() -> set[psutil.Process]:
    """Workers that this process, or one of its own, has started and that still run, and those who speak for them."""
    return {child for child in psutil.Process().children(recursive=True) if _is_worker(child)}


def _is_worker(process: psutil.Process) -> bool:
    try:
        ours = {harness.WORKER, "renderer.run.ray_proxy"}
        return process.status() != psutil.STATUS_ZOMBIE and not ours.isdisjoint(process.cmdline())
    except psutil.NoSuchProcess:
        return False
