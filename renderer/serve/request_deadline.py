"""HTTP for clients that say what they want within a minute: connections that don't are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from typing import Any

DEADLINE_SECONDS = 60.0
_NOT_WHOLE = (h11.IDLE, h11.SEND_BODY)


class RequestDeadline(H11Protocol):
    """Counts from a connection's beginning, and from the first byte of each further request, until it is whole.

    How slowly an answer is read is the client's own affair: a player takes a song as it plays.
    """

    deadline_seconds = DEADLINE_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Count on while a request isn't whole."""
        super().data_received(data)
        if self.conn.their_state in _NOT_WHOLE:
            self._wait()
        else:
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing left to count for."""
        self._rest()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.deadline_seconds, self._give_up)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.abort()
