"""Measures finished takes in a thread of its own while nothing is rendered; ends at once when something is."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.takes.measurements import measure_takes
from renderer.watch.events import TakesMeasured
from renderer.watch.plan_takes import projects

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.pipeline.project import Project
    from renderer.watch.effects import StartMeasuring


class MeasureThread:
    """At most one measuring thread, with at most one process."""

    def __init__(self, post: Callable[[TakesMeasured], None]) -> None:
        self._post = post
        self._thread: threading.Thread | None = None
        self._is_stopped = threading.Event()
        self._end_process: Callable[[], None] | None = None

    def start(self, effect: StartMeasuring) -> None:
        """Measure what isn't yet, unless that is under way."""
        if self._thread is not None and self._thread.is_alive() and not self._is_stopped.is_set():
            return
        self.end()
        self._is_stopped.clear()
        self._thread = threading.Thread(target=self._work, args=(effect,), name="measure")
        self._thread.start()

    def stop(self) -> None:
        """Stop at once: a render must not share the processor; the take being measured is measured again later."""
        self._is_stopped.set()
        end_process = self._end_process  # once: the thread forgets it when its process is through
        if end_process is not None:
            end_process()

    def end(self) -> None:
        """Stop, and wait for it."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _work(self, effect: StartMeasuring) -> None:
        # A list: every project is measured, whatever the first one gives.
        new = [self._measure(project) for project in projects(effect.takes, effect.options)]
        if any(new):
            self._post(TakesMeasured())

    def _measure(self, project: Project) -> bool:
        """Whether there was anything new."""
        if self._is_stopped.is_set():
            return False
        # A recogniser that is gone since the watch began costs what it would have heard.
        measured = []
        with suppress(ModelError):
            measured = [not one.problem for one in measure_takes(project, self._begin_process)]
        self._end_process = None
        return any(measured)

    def _begin_process(self, end_process: Callable[[], None]) -> None:
        self._end_process = end_process
        # Stopped before there was something to end.
        if self._is_stopped.is_set():
            end_process()
