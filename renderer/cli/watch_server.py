"""What `renderer watch --serve` adds: a server that begins with the first report and is told of every further one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.cli.serving import serving_library, voter
from renderer.run.events import JobProgress
from renderer.watch.notices import Idle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from renderer.pipeline.options import Options
    from renderer.pipeline.project import Project
    from renderer.report import Report
    from renderer.serve import LiveReport
    from renderer.watch.notices import Notice


class Server:
    """The served report of one outputs folder; ends with `ending`.

    Raises: UsageError without the extra it takes.
    """

    def __init__(self, named: Sequence[str], options: Options, port: int, ending: ExitStack) -> None:
        self._named = named
        self._options = options
        self._port = port
        self._ending = ending
        self._library = serving_library()
        self._live: LiveReport | None = None
        self._outputs: Path | None = None
        self._address = ""

    def publish(self, project: Project, report: Report) -> str | None:
        """Show the report to open pages; the address, or None: only the first one's outputs folder is served.

        Raises: UsageError when the port is taken.
        """
        outputs = project.store.outputs
        if self._live is None:
            live = self._library.LiveReport(report)
            site = self._library.make_site(live, outputs, voter(self._named, self._options, live))
            self._address = self._ending.enter_context(self._library.serving(site, self._port))
            self._live, self._outputs = live, outputs
        elif outputs == self._outputs:
            self._live.publish(report)
        return self._address if outputs == self._outputs else None

    def listen(self, notice: Notice) -> None:
        """Tell open pages how far a job is."""
        match notice:
            case JobProgress(job=job) if self._live:
                self._live.show_progress(f"{job.takes[0]} {job.stage}: {notice.done}/{notice.total} {notice.unit}")
            case Idle() if self._live:
                self._live.show_progress("")
