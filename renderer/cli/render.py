"""`renderer render`: what is new or changed, stage by stage over the whole batch."""

from __future__ import annotations

import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.exit_codes import EXIT_FAULTS, EXIT_FINE, EXIT_INTERRUPTED
from renderer.cli.options import Clock, executor_option, make_options, takes_options
from renderer.cli.streams import echo_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from renderer.errors import RendererError
    from renderer.pipeline.project import Project
    from renderer.pipeline.render import Stop, Summary
    from renderer.spec.diagnostics import Diagnostic

MOST_REMARKS = 10  # that are told at the end; the report has them all
MOST_NAMED = 3  # takes of one remark


@click.command(name="render")
@takes_options
@executor_option
@click.option("--force", is_flag=True, help="Render again even what is done.")
@click.option("--refresh", type=click.Choice(["environment"]), help="Make results of other versions or devices again.")
@click.option("--verify", is_flag=True, help="Read what is on disk first, and make again what is damaged.")
@click.option("--keep-going", is_flag=True, help="Render the good specs beside broken ones.")
@click.option("--until", type=Clock(), metavar="HH:MM", help="Stop cleanly at that time.")
@click.option("--measure/--no-measure", default=True, help="Measure tempo, key and loudness of what is finished.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON document.")
def command(named: tuple[str, ...], as_json: bool, measure: bool, verify: bool, **flags: Any) -> int:
    """Render songs: PATHs are spec files or folders (specs/ when nothing is named), SONGs and TAKEs go by name.

    What is on disk already is kept. Exits with 1 when a take failed, 130 when stopped.
    """
    from rich.console import Console

    from renderer.cli.show_diagnostics import show_diagnostics, show_remarks, show_what_spoils
    from renderer.models.device import dtype_warning
    from renderer.pipeline.project import Project, refuse_faults
    from renderer.pipeline.render import Stop, render
    from renderer.pipeline.select import select
    from renderer.progress import showing

    options = make_options(**flags)
    selection = select(named, options)
    refuse_faults(selection, options)
    show_what_spoils(selection.diagnostics, stream=sys.stderr)
    project = Project(selection.takes, options)
    faults: Sequence[Diagnostic] = ()
    if options.keep_going:
        project, faults = project.without_faulty()
        show_diagnostics(faults, stream=sys.stderr)
    show_remarks(project.workers.remarks)
    if warning := dtype_warning(project.settings.device, project.settings.dtype):
        click.echo(f"{click.style('warning', fg='yellow', bold=True)}: {warning}", err=True)
    if verify:
        _verify(project, as_json=as_json)
    stop = Stop(options.until)
    console = Console(stderr=as_json, highlight=False)
    with _stopping(stop), showing(console) as listen:
        summary = render(project, listen=listen, stop=stop)
    page = _page(project, summary, console, measure=measure)
    if as_json:
        echo_json(_document(summary))
    else:
        _print_summary(summary, page)
    if summary.stopped:
        return EXIT_INTERRUPTED
    broken = any(found.level == "error" for found in (*selection.diagnostics, *faults))
    return EXIT_FAULTS if summary.failures or summary.fault or broken else EXIT_FINE


def _page(project: Project, summary: Summary, console: Console, *, measure: bool) -> Path | None:
    """The report; None when it can't be written, which must not cost the summary."""
    from renderer.cli.main import show_error
    from renderer.cli.report import measure_and_write
    from renderer.errors import RendererError, StoreError
    from renderer.report.build import page_after

    try:
        page = page_after(project, summary)
        if measure and (summary.rendered or summary.restored) and not (summary.stopped or summary.fault):
            page = measure_and_write(project, console)
    except OSError as error:
        show_error(StoreError("the report can't be written", why=str(error), help="the takes are on disk all the same"))
    except RendererError as error:
        show_error(error)
    else:
        return page
    return None


def _verify(project: Project, *, as_json: bool) -> None:
    from renderer.cli.verified import print_verified
    from renderer.pipeline.project import one_at_a_time

    if project.store.folder.is_dir():
        with one_at_a_time(project.store), redirect_stdout(sys.stderr if as_json else sys.stdout):
            print_verified(project.store)


@contextmanager
def _stopping(stop: Stop) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a lost terminal stop at the next token, step or tile; a second one at once."""
    from renderer.cli.stopping import handling_stop_signals, is_hangup

    def handle(number: int) -> None:
        if stop.wanted and is_hangup(number):
            return
        if stop.wanted:
            raise KeyboardInterrupt
        stop.now()
        click.echo("stopping at the next token, step or tile (again to stop at once)", err=True)

    with handling_stop_signals(handle):
        yield


def _print_summary(summary: Summary, page: Path | None) -> None:
    from renderer.cli.main import show_error
    from renderer.spec.diagnostics import printable

    for failure in summary.failures:
        error = failure.error
        failed = click.style("failed", fg="red", bold=True)
        click.echo(f"{failed} {printable(failure.take)} in {failure.stage}: {printable(error.message)}")
        for label, text in (("why", error.why), ("help", error.help)):
            if text:
                click.echo(f"  = {label}: {printable(text)}")
    _print_remarks(summary.remarks)
    parts = [
        (len(summary.rendered), "rendered"),
        (len(summary.restored), "restored from old/"),
        (len(summary.retagged), "tagged anew"),
        (len(summary.kept), "kept"),
        (len(summary.failures), "failed"),
    ]
    counts = ", ".join(f"{number} {word}" for number, word in parts if number) or "nothing to do"
    click.echo(f"{counts} in {summary.seconds:.1f} s" + (" (stopped)" if summary.stopped else ""))
    if summary.loads:
        before = sum(summary.loads_song_by_song.values())
        click.echo(f"loads: {_loads(summary.loads)}; song by song it would have been {before}")
    if page:
        say(f"listen: {page}")
    if summary.fault:
        show_error(summary.fault)


def _print_remarks(remarks: Mapping[str, tuple[str, ...]]) -> None:
    """A line for each remark, with the takes it is about."""
    from renderer.spec.diagnostics import printable

    for remark, takes in list(remarks.items())[:MOST_REMARKS]:
        names = ", ".join(printable(take) for take in takes[:MOST_NAMED])
        more = f" and {len(takes) - MOST_NAMED} more" if len(takes) > MOST_NAMED else ""
        click.echo(f"{click.style('note', fg='cyan', bold=True)} {names}{more}: {printable(remark)}")
    if len(remarks) > MOST_REMARKS:
        click.echo(f"and {len(remarks) - MOST_REMARKS} more notes: the report flags their takes")


def _loads(loads: Any) -> str:
    return ", ".join(f"{name} {count}×" for name, count in loads.items())


def _document(summary: Summary) -> dict[str, object]:
    return {
        "outputs": str(summary.outputs),
        "rendered": list(summary.rendered),
        "restored": list(summary.restored),
        "retagged": list(summary.retagged),
        "kept": list(summary.kept),
        "failed": [
            {"take": failure.take, "stage": failure.stage, **_error(failure.error)} for failure in summary.failures
        ],
        "remarks": [{"remark": remark, "takes": list(takes)} for remark, takes in summary.remarks.items()],
        "stopped": summary.stopped,
        "fault": _error(summary.fault) if summary.fault else None,
        "seconds": round(summary.seconds, 3),
        "loads": dict(summary.loads),
        "loads_song_by_song": dict(summary.loads_song_by_song),
    }


def _error(error: RendererError) -> dict[str, str]:
    return {"message": error.message, "why": error.why, "help": error.help}
