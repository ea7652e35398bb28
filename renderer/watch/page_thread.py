"""Writes the report in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from renderer.errors import RendererError, StoreError
from renderer.folders import REPORT_FOLDER
from renderer.report import write_report
from renderer.report.build import make_report
from renderer.watch.events import PageEnded
from renderer.watch.plan_takes import projects

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.pipeline.project import Project
    from renderer.report import Report
    from renderer.spec.diagnostics import Diagnostic
    from renderer.watch.effects import WritePage


class Publish(Protocol):
    """Whom a report is shown beside its file."""

    def __call__(self, project: Project, report: Report) -> str | None:
        """Take over the newest report; the address where it is shown, if there is one. Called from another thread."""


def start_page_thread(effect: WritePage, publish: Publish, post: Callable[[PageEnded], None]) -> None:
    """Write the report of each outputs folder in the background; of several, the first one's is told."""

    def work() -> None:
        ended = PageEnded(address=None, error=RendererError("the report broke off", why="a fault in renderer"))
        try:
            ended = PageEnded(address=_write_pages(effect, publish), error=None)
        except RendererError as error:
            ended = PageEnded(address=None, error=error)
        except OSError as error:
            refused = StoreError("the report can't be written", why=error.strerror or str(error))
            ended = PageEnded(address=None, error=refused)
        finally:
            post(ended)

    threading.Thread(target=work, name="page").start()


def _write_pages(effect: WritePage, publish: Publish) -> str | None:
    addresses = [
        _write_page(project, effect.diagnostics, publish) for project in projects(effect.takes, effect.options)
    ]
    return addresses[0] if addresses else None


def _write_page(project: Project, diagnostics: Sequence[Diagnostic], publish: Publish) -> str:
    report = make_report(project, diagnostics=diagnostics)
    page = write_report(report, project.store.outputs / REPORT_FOLDER)
    return publish(project, report) or str(page)
