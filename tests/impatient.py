"""A watchdog for tests in which something hangs: until it does, a busy machine may be as slow as it likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.run.watchdog import Silence, Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from renderer.plan.jobs import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Impatient(Watchdog):
    """The limits of `Watchdog`, for silence while it hangs."""

    hangs: Callable[[], bool]
    least_seconds: float = 1.0
    per_second: float = 0.0
    pace_factor: float = 1.0

    def of_running(self, jobs: Iterable[Job]) -> Silence:
        """See `Watchdog.of_running`."""
        limit = Watchdog.of_running(self, jobs).limit_seconds
        return _SilenceWhileItHangs(limit_seconds=limit, doing="its stage", factor=self.pace_factor, hangs=self.hangs)


@dataclass(slots=True, kw_only=True)
class _SilenceWhileItHangs(Silence):
    hangs: Callable[[], bool]

    def lasts(self, seconds: float) -> None:
        """See `Silence.lasts`."""
        if self.hangs():
            Silence.lasts(self, seconds)
