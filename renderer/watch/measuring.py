"""Measures finished takes in a thread of its own while nothing is rendered; ends at once when something is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from renderer.takes.measurements import measure_takes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.pipeline.project import Project


class Measuring:
    """At most one measuring thread, with at most one process."""

    def __init__(self, post: Callable[[Callable[[], None]], None], measured: Callable[[], None]) -> None:
        self._post = post
        self._measured = measured
        self._thread: threading.Thread | None = None
        self._aside = threading.Event()
        self._end_process: Callable[[], None] | None = None

    def begin(self, projects: Sequence[Project]) -> None:
        """Measure what isn't yet, unless that is under way; `measured` is posted when there is anything new."""
        if self._thread is not None and self._thread.is_alive() and not self._aside.is_set():
            return
        self.end()
        self._aside.clear()
        self._thread = threading.Thread(target=self._work, args=(tuple(projects),), name="measure")
        self._thread.start()

    def step_aside(self) -> None:
        """Stop at once: a render must not share the processor; the take being measured is measured again later."""
        self._aside.set()
        end_process = self._end_process  # once: the thread forgets it when its process is through
        if end_process is not None:
            end_process()

    def end(self) -> None:
        """Stop, and wait for it."""
        self.step_aside()
        if self._thread is not None:
            self._thread.join()

    def _work(self, projects: tuple[Project, ...]) -> None:
        new = [self._is_new(project) for project in projects if not self._aside.is_set()]
        if any(new):
            self._post(self._measured)

    def _is_new(self, project: Project) -> bool:
        found = [one.measured is not None for one in measure_takes(project, self._begun)]
        self._end_process = None
        return any(found)

    def _begun(self, end_process: Callable[[], None]) -> None:
        self._end_process = end_process
        # Asked before there was something to end.
        if self._aside.is_set():
            end_process()
