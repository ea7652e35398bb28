"""The report, written anew in a thread of its own whenever it is behind; as often as it can be, never twice at once."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Protocol

from renderer.errors import RendererError, StoreError
from renderer.report import write_report
from renderer.report.build import REPORT_FOLDER, make_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.pipeline.project import Project
    from renderer.report import Report


class Publish(Protocol):
    """Whom a report is shown beside its file."""

    def __call__(self, project: Project, report: Report) -> str | None:
        """Take over the newest report; the address where it is shown, if there is one. Called from another thread."""


class Pages:
    """Knows whether the report tells of all that is rendered, and who is writing it."""

    def __init__(
        self,
        post: Callable[[Callable[[], None]], None],
        *,
        publish: Publish,
        written: Callable[[str | RendererError], None],
    ) -> None:
        self._post = post
        self._publish = publish
        self._written = written
        self._is_behind = self._is_being_written = False

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to write and nobody writing."""
        return not self._is_behind and not self._is_being_written

    @property
    def is_due(self) -> bool:
        """Whether it could be written now and would be another."""
        return self._is_behind and not self._is_being_written

    def fall_behind(self) -> None:
        """Something was rendered that the report doesn't tell of."""
        self._is_behind = True

    def write(self, projects: Sequence[Project]) -> None:
        """Write the report of each project in the background; of several outputs folders, the first one's is told."""
        self._is_behind = False
        if projects:
            self._is_being_written = True
            threading.Thread(target=self._work, args=(tuple(projects),), name="page").start()

    def _work(self, projects: tuple[Project, ...]) -> None:
        result: str | RendererError = RendererError("the report broke off", why="a fault in renderer")
        try:
            result, *_ = [self._write(project) for project in projects]
        except RendererError as error:
            result = error
        except OSError as error:
            result = StoreError("the report can't be written", why=error.strerror or str(error))
        finally:
            self._post(partial(self._end, result))

    def _write(self, project: Project) -> str:
        report = make_report(project)
        page = write_report(report, project.store.outputs / REPORT_FOLDER)
        return self._publish(project, report) or str(page)

    def _end(self, result: str | RendererError) -> None:
        self._is_being_written = False
        self._written(result)
