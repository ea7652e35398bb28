"""`renderer render`: what is new or changed, stage by stage over the whole batch."""

from __future__ import annotations

import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.on_end import run_on_end, split_command
from renderer.cli.options import (
    Clock,
    ShardParam,
    asr_option,
    beside_options,
    cluster_option,
    executor_option,
    make_options,
    takes_options,
)
from renderer.cli.streams import echo_json, say
from renderer.cli.summary import exit_code, print_summary, summary_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from renderer.pipeline.project import Project
    from renderer.pipeline.stop import Stop
    from renderer.pipeline.summary import Summary


@click.command(name="render")
@takes_options()
@executor_option
@cluster_option
@beside_options
@click.option("--force", is_flag=True, help="Render again even what is done.")
@click.option("--refresh", type=click.Choice(["environment"]), help="Make results of other versions or devices again.")
@click.option("--verify", is_flag=True, help="Read what is on disk first, and make again what is damaged.")
@click.option(
    "--only-edits",
    is_flag=True,
    help="Only what is made from other takes, from these as they are on disk though their specs changed.",
)
@click.option("--keep-going", is_flag=True, help="Render the good specs beside broken ones.")
@click.option(
    "--shard", type=ShardParam(), metavar="I/N", help="Render only this share, beside other machines: 2/8 of eight."
)
@click.option("--until", type=Clock(), metavar="HH:MM", help="Stop cleanly at that time.")
@click.option("--measure/--no-measure", default=True, help="Measure tempo, key and loudness of what is finished.")
@asr_option
@click.option(
    "--on-end",
    metavar="COMMAND",
    help="Run this, without a shell, when all has ended: the summary as JSON on its input.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON document.")
def command(
    named: tuple[str, ...], as_json: bool, measure: bool, verify: bool, on_end: str | None, **flags: Any
) -> int:
    """Render songs: PATHs are spec files or folders (specs/ when nothing is named), SONGs and TAKEs go by name.

    What is on disk already is kept. Exits with 1 when a take failed or a spec was refused, else with 3 when --until
    stopped it before the last take, and with 130 when Ctrl-C or a signal did.
    """
    from rich.console import Console

    from renderer.cli.show_diagnostics import show_diagnostics, show_remarks, show_what_spoils
    from renderer.models.device import dtype_warning
    from renderer.pipeline.project import Project, refuse_faults
    from renderer.pipeline.refused_specs import refused_specs
    from renderer.pipeline.rejected_sources import renderable
    from renderer.pipeline.render import render
    from renderer.pipeline.select import select
    from renderer.pipeline.stop import Stop
    from renderer.progress import showing

    options = make_options(measure=measure, **flags)
    words = split_command(on_end) if on_end is not None else ()
    selection = select(named, options)
    refuse_faults(selection, options)
    show_what_spoils(selection.diagnostics, stream=sys.stderr)
    project = Project(selection.to_render, options, refused=refused_specs(selection.diagnostics))
    project, faults = renderable(project)
    show_diagnostics(faults, stream=sys.stderr)
    show_remarks(project.remarks)
    if warning := dtype_warning(project.settings.device, project.settings.dtype):
        say(f": {warning}", head="warning", colour="yellow", err=True)
    if verify:
        _verify(project, as_json=as_json)
    stop = Stop(options.until)
    console = Console(stderr=as_json, highlight=False)
    with _stopping(stop), showing(console) as listen:
        summary = render(project, listen=listen, stop=stop)
    page = _page(project, summary, console, measure=measure) if summary.was_last else None
    if as_json:
        echo_json(summary_document(summary, project.log))
    else:
        print_summary(summary, page, project.log)
    if words:
        _run_on_end(words, summary_document(summary, project.log))
    return exit_code(summary)


def _run_on_end(words: Sequence[str], document: object) -> None:
    """Run the user's command; that it failed is told, and changes nothing of how we end."""
    from renderer.cli.main import show_error
    from renderer.errors import RendererError

    sys.stdout.flush()
    try:
        run_on_end(words, document)
    except RendererError as error:
        show_error(error)


def _page(project: Project, summary: Summary, console: Console, *, measure: bool) -> Path | None:
    """The report; None when it can't be written, which must not cost the summary."""
    from renderer.cli.main import show_error
    from renderer.cli.report import measure_and_write, writing_page
    from renderer.errors import RendererError, StoreError
    from renderer.pipeline.page_after import page_after

    try:
        page = page_after(project, summary, lambda: writing_page(project, console))
        # The last of several shards measures what the others rendered.
        rendered = summary.rendered or summary.restored or project.options.shard
        # Takes that were there already may not have been listened to yet.
        if measure and (rendered or project.options.asr) and not (summary.stopped or summary.fault):
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
    from renderer.cli.stopping import handling_stop_signals, is_hangup, stop_reason

    def handle(number: int) -> None:
        if stop.wanted and is_hangup(number):
            return
        if stop.wanted:
            raise KeyboardInterrupt
        stop.now(stop_reason(number))
        click.echo("stopping at the next token, step or tile (again to stop at once)", err=True)

    with handling_stop_signals(handle):
        yield
