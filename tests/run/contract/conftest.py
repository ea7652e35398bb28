"""Each row of `EXECUTORS`, with workers of the toy family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import psutil
import pytest

from renderer.models.family import Residency
from renderer.run.executor import EXECUTORS
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
    harness.register()
    made: list[Executor] = []

    def make(*devices: str, watchdog: Watchdog | None = None) -> Executor:
        log = tmp_path / f"worker-{len(made)}.log"
        settings = tuple(harness.settings(device) for device in devices)
        row = EXECUTORS[request.param]
        made.append(row.make(settings, log, Residency.ALONE, watchdog=watchdog, module=harness.WORKER))
        return made[-1]

    yield make
    for executor in made:
        executor.end()
    assert workers() == []


def workers() -> list[psutil.Process]:
    """The worker processes that this one has started and that still run."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE and harness.WORKER in child.cmdline()]
