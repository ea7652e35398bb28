"""Measures finished takes in a thread of its own while nothing is rendered; steps aside as soon as something is."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

from renderer.pipeline.measured import measure_takes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from renderer.output.measure import Measurement
    from renderer.pipeline.project import Project


class Measuring:
    """At most one measuring thread."""

    def __init__(self, post: Callable[[Callable[[], None]], None], measured: Callable[[], None]) -> None:
        self._post = post
        self._measured = measured
        self._thread: threading.Thread | None = None
        self._aside = threading.Event()

    def begin(self, projects: Sequence[Project]) -> None:
        """Measure what isn't yet, unless that is under way; `measured` is posted when there is anything new."""
        if self._thread is None or not self._thread.is_alive():
            self._aside.clear()
            self._thread = threading.Thread(target=self._work, args=(tuple(projects),), name="measure")
            self._thread.start()

    def step_aside(self) -> None:
        """Stop after the take that is being measured; the rest comes when it is begun again."""
        self._aside.set()

    def end(self) -> None:
        """Stop, and wait for it."""
        self.step_aside()
        if self._thread is not None:
            self._thread.join()

    def _work(self, projects: tuple[Project, ...]) -> None:
        new = [self._is_new(measure_takes(project)) for project in projects if not self._aside.is_set()]
        if any(new):
            self._post(self._measured)

    def _is_new(self, measurements: Generator[Measurement, None, None]) -> bool:
        found = False
        with closing(measurements):
            for one in measurements:
                found = found or one.measured is not None
                if self._aside.is_set():
                    break  # closing the generator ends its process
        return found
