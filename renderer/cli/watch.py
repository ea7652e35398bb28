"""`renderer watch`: render what is saved, as it is saved."""

from __future__ import annotations

import sys
import webbrowser
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.exit_codes import EXIT_FINE, EXIT_INTERRUPTED
from renderer.cli.options import asr_option, executor_option, make_options, takes_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renderer.pipeline.project import Project
    from renderer.report import Report
    from renderer.watch.events import Event
    from renderer.watch.notices import Notice
    from renderer.watch.page_thread import Publish

    Announce = Callable[[Notice], None]


@click.command(name="watch")
@takes_options()
@executor_option
@click.option(
    "--quiet",
    "quiet_ms",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    metavar="MS",
    help="Wait so long without a change before reading the files.",
)
@click.option(
    "--idle",
    "idle_minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="MINUTES",
    help="Drop the models after so long without a render.",
)
@click.option("--measure/--no-measure", default=True, help="Measure tempo, key and loudness while nothing is rendered.")
@asr_option
@click.option(
    "--serve", is_flag=True, help="Serve the report to this machine's browser: new takes appear by themselves."
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, metavar="N", help="For --serve; by default a free one."
)
def command(
    named: tuple[str, ...], quiet_ms: int, idle_minutes: float, measure: bool, serve: bool, port: int, **flags: Any
) -> int:
    """Render the specs, then whatever is saved: only takes that changed, from the changed stage on.

    While editing, --first-seed and --preview 30 make answers quick; the key f then renders full length. Ends with q
    or Ctrl-C.
    """
    from renderer.cli.watch_server import Server
    from renderer.watch.events import StopRequested
    from renderer.watch.shell import run_watch
    from renderer.watch.state import WatchSettings

    options = make_options(measure=measure, **flags)
    settings = WatchSettings(
        options=options, quiet_seconds=quiet_ms / 1000, idle_seconds=idle_minutes * 60, measures=measure
    )
    inbox: SimpleQueue[Event] = SimpleQueue()
    with ExitStack() as ending:
        announce = ending.enter_context(_announcing())
        publish: Publish = _publish_nowhere
        if serve:
            server = Server(named, options, port, ending)
            publish = server.publish
            announce = _both(announce, server.listen)
        with _stopping(lambda: inbox.put(StopRequested())) as interrupted:
            run_watch(named, settings, inbox=inbox, announce=announce, publish=publish, open_page=_open)
    return EXIT_INTERRUPTED if interrupted else EXIT_FINE


@contextmanager
def _announcing() -> Iterator[Announce]:
    """A screen on a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        from renderer.watch.lines import Lines

        yield Lines(sys.stdout).listen
        return
    from renderer.watch.screen import showing

    with showing(console) as announce:
        yield announce


@contextmanager
def _stopping(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Ctrl-C, SIGTERM and a lost terminal ask for the end; the list tells which of them came."""
    from renderer.cli.stopping import handling_stop_signals

    received: list[int] = []

    def handle(number: int) -> None:
        received.append(number)
        stop()

    with handling_stop_signals(handle):
        yield received


def _both(first: Announce, second: Announce) -> Announce:
    def announce(notice: Notice) -> None:
        first(notice)
        second(notice)

    return announce


def _publish_nowhere(project: Project, report: Report) -> None:
    """The file is all there is."""
    del project, report


def _open(address: str) -> None:
    """Show the report in the user's browser."""
    webbrowser.open(address if "://" in address else Path(address).resolve().as_uri())
