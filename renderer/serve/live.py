"""The report as it stands, told to every open page; knows no HTTP beyond the text of its events."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from renderer.report import Report

END = ""  # in place of an event: no more will come
HEARTBEAT_SECONDS = 15.0  # so that a lost connection is noticed on both sides
MAX_WAITING_EVENTS = 100  # a page that reads slower than that misses progress, never a report


class LiveReport:
    """The report as it stands, and the pages that look at it; any thread may publish."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._subscribers: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = {}

    @property
    def report(self) -> Report:
        """What was published last."""
        return self._report

    def publish(self, report: Report) -> None:
        """Show another report: open pages take over what is new and play on."""
        self._report = report
        self._send("report", {})

    def replace(self, report: Report) -> None:
        """Show it to pages opened from now on; those that are open know already."""
        self._report = report

    def show_progress(self, text: str) -> None:
        """A line of progress for open pages; empty takes it away."""
        self._send("progress", {"text": text})

    def end(self) -> None:
        """Let go of every page."""
        self._put_all(END)

    @contextmanager
    def subscribed(self) -> Iterator[asyncio.Queue[str]]:
        """Events from now on, as server-sent text."""
        queue: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING_EVENTS)
        with self._lock:
            self._subscribers[queue] = asyncio.get_running_loop()
        try:
            yield queue
        finally:
            with self._lock:
                self._subscribers.pop(queue, None)

    def _send(self, event: str, fields: Mapping[str, str]) -> None:
        self._put_all(_event(event, fields))

    def _put_all(self, text: str) -> None:
        with self._lock:
            subscribers = list(self._subscribers.items())
        for queue, loop in subscribers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_put, queue, text)


async def events_of(live: LiveReport) -> AsyncIterator[str]:
    """Server-sent events from now on, until the server ends."""
    with live.subscribed() as queue:
        yield ": hello\n\n"
        while True:
            try:
                text = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
            except TimeoutError:
                text = ": still here\n\n"
            if text == END:
                return
            yield text


def _event(event: str, fields: Mapping[str, str]) -> str:
    return f"event: {event}\ndata: {json.dumps(fields)}\n\n"


def _put(queue: asyncio.Queue[str], text: str) -> None:
    if queue.full():
        # Whatever waited is out of date; the whole report covers it.
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(_event("report", {}))
    queue.put_nowait(text)
