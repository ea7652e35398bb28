"""`renderer report`: the page with all takes, written anew or served live."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.options import asr_option, make_options, page_to_option, takes_options
from renderer.cli.streams import say

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from rich.console import Console

    from renderer.pipeline.project import Project

_MANY_TAKES = 500  # from which on a page takes a second and more


@click.command(name="report")
@takes_options("mixed", "workers", "threads")
@click.option("--measure/--no-measure", default=True, help="Measure tempo, key and loudness of what is finished.")
@asr_option
@page_to_option
@click.option("--open", "open_page", is_flag=True, help="Open it in the browser.")
@click.option("--serve", is_flag=True, help="Serve it to this machine's browser: new takes appear, votes are written.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, metavar="N", help="For --serve; by default a free one."
)
def command(
    named: tuple[str, ...],
    measure: bool,
    folder: Path | None,
    open_page: bool,
    serve: bool,
    port: int,
    **flags: Any,
) -> None:
    """Write the page with all takes to listen to: of PATHs, SONGs or TAKEs, by default of all that is in specs/."""
    from rich.console import Console

    from renderer.cli.serving import chosen_project, report_served
    from renderer.report.build import write_page
    from renderer.report.own_page import refuse_foreign
    from renderer.report.page import NAME

    if folder:
        refuse_foreign(folder / NAME)
    own = measure and folder is None  # measurements are kept where the takes are
    options = make_options(measure=own, **flags)
    # Beside the page's path, which a program may read.
    console = Console(stderr=True)
    if serve:
        with report_served(named, options, measure=measure, port=port) as url:
            say(f"{url}  (Ctrl-C ends it)")
            if open_page:
                click.launch(url)
            threading.Event().wait()
    project = chosen_project(named, options)
    if own:
        page = measure_and_write(project, console)
    else:
        with writing_page(project, console):
            page = write_page(project, folder)
    say(str(page))
    if open_page:
        click.launch(page.resolve().as_uri())


def measure_and_write(project: Project, console: Console) -> Path:
    """Measure what isn't yet, then write the page with it; problems are told and cost nothing else."""
    from renderer.progress import measuring
    from renderer.report.build import write_page
    from renderer.spec.diagnostics import printable
    from renderer.takes.measurements import measure_takes, unmeasured

    todo = unmeasured(project)
    problems: list[str] = []
    if todo:
        with measuring(console, len(todo)) as update:
            for number, one in enumerate(measure_takes(project), start=1):
                problems += [one.problem] if one.problem else []
                update(number)
    for problem in dict.fromkeys(problems):
        console.print(f"not measured: {printable(problem)}", markup=False, highlight=False, soft_wrap=True)
    with writing_page(project, console):
        return write_page(project)


def writing_page(project: Project, console: Console) -> AbstractContextManager[object]:
    """What tells that the page is written, where that takes more than a moment."""
    from renderer.progress import under_way

    if len(project.store.take_names()) < _MANY_TAKES:
        return nullcontext()
    return under_way(console, "writing the page")
