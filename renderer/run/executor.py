"""The seam for whatever carries out plans, and the table of what there is. Every row passes `tests/run/contract`.

What makes an executor is imported when it is used, so that who only names them stays light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from renderer.run.expected import GUESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.models.model_files import Residency, Settings
    from renderer.plan.jobs import Job, Plan
    from renderer.run.events import RunEvent
    from renderer.run.expected import Expected
    from renderer.run.sink import Sink
    from renderer.run.watchdog import Watchdog


class Executor(Protocol):
    """Workers that carry out plans, started when first needed and kept until ended: a watch runs plan after plan."""

    @property
    def pids(self) -> tuple[int, ...]:
        """Numbers of the processes on this machine that are its workers now, or that speak for those elsewhere."""

    def warm(self, family: str) -> None:
        """Have a worker import what a family of models needs; returns at once.

        What goes wrong with it goes wrong again, and is told, when a job runs.
        """

    def run(self, plan: Plan, *, sink: Sink, is_wanted: Callable[[Job], bool]) -> Iterator[RunEvent]:
        """Run the plan's jobs, telling what happens; `is_wanted` is asked again and again while they run.

        A job is told as done once the sink has it; one that fails in company or ends its worker runs again alone, one
        that ends two workers fails. Neither a job's events nor the bytes of its result depend on the number of workers.
        An iterator that isn't used up leaves no worker in the middle of a job.

        Raises: ModelError, before anything ran, for files that a later part couldn't be loaded from; StoreError when
        results can't be kept: what was kept until then stays.
        """

    def end(self) -> None:
        """End the workers, at once; called from another thread than a run's, that run hears that they died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    """What an executor is made with."""

    settings: Sequence[Settings]
    """A worker for each of them."""
    log: Path
    """Where the first worker's words go; those of the others into files beside it."""
    residency: Residency
    watchdog: Watchdog | None = None
    """None for the usual one."""
    expected: Expected = GUESS
    """How long things take, as far as known: it decides who begins the next part, never what comes out."""
    module: str = "renderer.run.worker"
    """What a worker runs, as `python -m` does."""
    cluster: str | None = None
    """Address of the cluster that workers run on, where they do; None or `auto` for the one that is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorRow:
    """One way to carry out plans."""

    name: str
    """As `--executor` and `Options.executor` have it."""
    label: str
    """In the help of `--executor`."""
    make: Callable[[ExecutorConfig], Executor]
    """Gives it, no worker started yet."""


def _local(config: ExecutorConfig) -> Executor:
    from renderer.run.local import LocalPool  # noqa: PLC0415 - see above
    from renderer.run.pool_executor import PoolExecutor  # noqa: PLC0415 - as above

    return PoolExecutor(LocalPool(config), config)


def _ray(config: ExecutorConfig) -> Executor:
    from renderer.run.pool_executor import PoolExecutor  # noqa: PLC0415 - see above
    from renderer.run.ray_pool import RayPool  # noqa: PLC0415 - as above

    return PoolExecutor(RayPool(config), config)


EXECUTORS: Mapping[str, ExecutorRow] = {
    row.name: row
    for row in (
        ExecutorRow(name="local", label="processes on this machine", make=_local),
        ExecutorRow(name="ray", label="actors of a Ray cluster, see --cluster", make=_ray),
    )
}
DEFAULT = "local"
