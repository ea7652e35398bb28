"""A wish to stop: by a signal, or because it is time; what a run asks at every token, step and tile."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class StopCause(StrEnum):
    """Why a run stopped before its end."""

    UNTIL = "until"
    """The time that it was given was up."""
    SIGNAL = "signal"
    """Ctrl-C, a signal, or whoever runs it wanted it to."""


def _now() -> datetime:
    return datetime.now().astimezone()


class Stop:
    """A wish to stop, asked at every token, step and tile."""

    def __init__(self, until: datetime | None = None, *, clock: Callable[[], datetime] = _now) -> None:
        self._until = until
        self._clock = clock
        self._reason = ""
        self.wanted = False

    def now(self, reason: str = "as asked") -> None:
        """Stop as soon as the running token, step or tile is done; `reason` completes "stopped …": `by Ctrl-C`."""
        self._reason = self._reason or reason
        self.wanted = True

    def __bool__(self) -> bool:
        return self.cause is not None

    @property
    def cause(self) -> StopCause | None:
        """Why it is to stop; None while it isn't."""
        if self.wanted:
            return StopCause.SIGNAL
        return StopCause.UNTIL if self.seconds_left is not None and self.seconds_left <= 0 else None

    @property
    def reason(self) -> str:
        """Completes "stopped …": `at 07:00 as asked`, `by Ctrl-C`."""
        if self.wanted or self._until is None:
            return self._reason
        return f"at {self._until:%H:%M} as asked"

    @property
    def seconds_left(self) -> float | None:
        """Until its time is up; None without a time."""
        return (self._until - self._clock()).total_seconds() if self._until else None
