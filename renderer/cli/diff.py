"""`renderer diff`: what differs between two takes, or between the specs of two times."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from renderer.cli.completion import songs_and_takes
from renderer.cli.exit_codes import EXIT_FINE
from renderer.cli.options import machine_options, make_options, page_to_option
from renderer.cli.show_measuring import show_measuring
from renderer.cli.streams import echo_json, say
from renderer.errors import UsageError
from renderer.folders import REPORT_FOLDER
from renderer.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
_TWO = 2


@click.command(name="diff")
@click.argument("named", nargs=-1, metavar="[TAKE [TAKE] | REV]", shell_complete=songs_and_takes)
@click.option("--rev", "revision", metavar="REV", help="Compare specs: of this revision, and of REV or those here.")
@click.option("--song", "songs", multiple=True, metavar="NAME", help="With --rev: only songs of that name or pattern.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
@click.option("--page", is_flag=True, help="Write a page to hear both: A and B at one position.")
@page_to_option
@click.option("--measure/--no-measure", default=True, help="Measure two takes that weren't measured yet.")
@machine_options
@click.option(
    "--out",
    "outputs",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The outputs folder, instead of the project's own.",
)
def command(
    named: tuple[str, ...],
    revision: str | None,
    songs: tuple[str, ...],
    as_json: bool,
    page: bool,
    folder: Path | None,
    measure: bool,
    **flags: Any,
) -> int:
    """Show what differs between two TAKEs: asked, decided, measured, codes and sound.

    One TAKE alone is compared with its last former version; TAKE.KEY is a former version, as its file in old/ is
    called. With --rev, show which songs and takes changed since a revision of the project's git repository, or between
    two, and from which stage on they are made again. git itself doesn't run, nor anything that a repository names.
    """
    options = make_options(**flags)
    if folder and not page:
        raise UsageError("--to goes with --page", why="it says where the page is written", help="add --page")
    if folder:
        from renderer.report.diff_page import NAME
        from renderer.report.own_page import refuse_foreign

        refuse_foreign(folder / NAME)
    if revision is None:
        _refuse_other(named, songs)
        from renderer.cli.show_diff import print_takes, takes_document
        from renderer.pipeline.take_diff import compare_takes

        takes = compare_takes(named, options.outputs, measure=measure, show=show_measuring)
        show(takes_document, print_takes, takes, as_json=as_json)
        if page:
            from renderer.report.diff_page import page_of_takes

            say(str(page_of_takes(takes, folder or takes.outputs / REPORT_FOLDER)), err=as_json)
        return EXIT_FINE
    if len(named) > 1:
        raise UsageError(
            f"--rev {revision} goes with one revision more, or none",
            why=f"{len(named)} names follow it",
            help=f"renderer diff --rev {shlex.join((revision, named[0]))} --song {shlex.quote(named[1])}",
        )
    from renderer.cli.show_diff import history_document, print_history
    from renderer.pipeline.history_diff import compare_history

    compared = compare_history(revision, named[0] if named else None, options, songs=songs)
    show(history_document, print_history, compared, as_json=as_json)
    if page and compared.outputs:
        from renderer.report.diff_page import page_of_history

        say(str(page_of_history(compared.diff, folder or compared.outputs / REPORT_FOLDER)), err=as_json)
    return EXIT_FINE


def show(document: Callable[[T], object], lines: Callable[[T], None], result: T, *, as_json: bool) -> None:
    """For a program or for a person."""
    if as_json:
        echo_json(document(result))
    else:
        lines(result)


def _refuse_other(named: Sequence[str], songs: Sequence[str]) -> None:
    if songs:
        raise UsageError("--song goes with --rev", help=f"renderer diff --rev HEAD --song {shlex.quote(songs[0])}")
    if not 1 <= len(named) <= _TWO:
        raise UsageError(
            f"{counted(len(named), 'take')} can't be compared" if named else "there is nothing to compare",
            why="two takes are, or a take and what it was before",
            help="renderer diff TAKE TAKE, renderer diff TAKE, or, of specs, renderer diff --rev HEAD",
        )
