"""Each row of `EXECUTORS`, with workers of the toy family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import psutil
import pytest

from renderer.models.model_files import Residency
from renderer.run.executor import EXECUTORS, ExecutorConfig
from tests.run.contract import harness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.run.executor import Executor
    from renderer.run.watchdog import Watchdog


class Make(Protocol):
    def __call__(self, *devices: str, watchdog: Watchdog | None = None) -> Executor:
        """An executor with a worker a device; ended with the test."""


@pytest.fixture(params=list(EXECUTORS))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    made: list[Executor] = []

    def make(*devices: str, watchdog: Watchdog | None = None) -> Executor:
        log = tmp_path / f"worker-{len(made)}.log"
        settings = tuple(harness.settings(device) for device in devices)
        config = ExecutorConfig(
            settings=settings, log=log, residency=Residency.ALONE, watchdog=watchdog, module=harness.WORKER
        )
        made.append(EXECUTORS[request.param].make(config))
        return made[-1]

    before = _children()
    with harness.registered():
        yield make
        for executor in made:
            executor.end()
            assert executor.pids == ()
    assert _children() <= before


def _children() -> set[psutil.Process]:
    """The processes that this one, or one of them, has started and that still run."""
    children = psutil.Process().children(recursive=True)
    return {child for child in children if child.status() != psutil.STATUS_ZOMBIE}
