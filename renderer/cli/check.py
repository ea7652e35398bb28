"""`renderer check`: read specs, say everything that is wrong with them, write nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from renderer.cli.completion import codes, songs_and_takes
from renderer.cli.exit_codes import EXIT_FINE, EXIT_USAGE
from renderer.cli.show_diagnostics import show_diagnostics
from renderer.cli.streams import echo_json
from renderer.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from renderer.pipeline.albums import ReadAlbum
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.load import Loaded


@click.command(name="check")
@click.argument("named", nargs=-1, metavar="[PATH|SONG|TAKE]...", shell_complete=songs_and_takes)
@click.option("--model", metavar="NAME", help="Check against this model in place of the ones the specs name.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "gitlab"]),
    default="text",
    help="For people, for programs, as annotations of GitHub's, or as GitLab's Code Quality report.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option(
    "--explain", metavar="CODE", shell_complete=codes, help="Say what a code means, with an example, and check nothing."
)
@click.option("--fix", is_flag=True, help="Make the changes that are certain, then check.")
@click.option("--diff", is_flag=True, help="Show the changes that --fix would make, and write nothing.")
def command(
    named: tuple[str, ...], model: str | None, strict: bool, form: str, explain: str | None, fix: bool, diff: bool
) -> int:
    """Check specs: PATHs are files or folders, SONGs and TAKEs go by name; without any it is all of specs/.

    An album.toml beside or below them is checked, too.

    Loads no model, and writes nothing without --fix. Exits with 2 when a spec has an error.
    """
    from renderer.models.family import count_prompts
    from renderer.pipeline.album_places import albums_of, is_album
    from renderer.pipeline.select import named_specs
    from renderer.spec.load import load_songs

    if explain is not None:
        click.echo(_explained(explain))
        return EXIT_FINE
    albums = albums_of(named)
    specs = tuple(name for name in named if not is_album(name))
    # Of albums alone that are named, no other spec is anybody's concern now.
    paths = named_specs(specs) if specs or not named else ()
    if diff:
        return _show_changes(paths, model)
    refused = _fix(paths, model) if fix else 0
    loaded = load_songs(paths, model=model, count_prompts=count_prompts)
    read = _read(albums, None if named else loaded)
    found = (*loaded.diagnostics, *dict.fromkeys(fault for one in read for fault in one.faults))
    diagnostics = tuple(map(_strictly, found)) if strict else found
    if form == "json":
        echo_json(_document(loaded, diagnostics))
    elif form in {"github", "gitlab"}:
        _annotate(form, diagnostics)
    else:
        show_diagnostics(diagnostics, stream=sys.stdout)
        click.echo(_summary(loaded if paths or not albums else None, read))
    return EXIT_USAGE if refused or any(one.level == "error" for one in diagnostics) else EXIT_FINE


def _annotate(form: str, diagnostics: Sequence[Diagnostic]) -> None:
    """Print them as a service shows them beside a change."""
    from renderer.cli.annotations import github_line, gitlab_document

    if form == "gitlab":
        echo_json(gitlab_document(diagnostics))
        return
    for diagnostic in diagnostics:
        click.echo(github_line(diagnostic))


def _read(albums: Sequence[Path], loaded: Loaded | None) -> list[ReadAlbum]:
    if not albums:
        return []
    from renderer.pipeline.albums import read_with_songs

    return [read_with_songs(path, loaded) for path in albums]


def _show_changes(paths: Sequence[Path], model: str | None) -> int:
    """Print what `--fix` would change."""
    from renderer.pipeline.mend import diff, mend
    from renderer.spec.diagnostics import printable

    changes = mend(paths, model=model)
    for mended in changes:
        for line in diff(mended):
            click.echo(printable(line))
    click.echo(_counted_changes(sum(len(mended.codes) for mended in changes), "to make with --fix"), err=True)
    return EXIT_FINE


def _fix(paths: Sequence[Path], model: str | None) -> int:
    """Make the changes that are certain, and say in which files; returns how many files couldn't be written."""
    from renderer.cli.main import show_error
    from renderer.errors import RendererError
    from renderer.pipeline.mend import mend, write
    from renderer.spec.diagnostics import printable

    refused = done = 0
    for mended in mend(paths, model=model):
        try:
            write(mended)
        except RendererError as error:
            show_error(error)
            refused += 1
            continue
        done += len(mended.codes)
        click.echo(f"fixed {printable(str(mended.path))}: {', '.join(dict.fromkeys(mended.codes))}", err=True)
    click.echo(_counted_changes(done, "made"), err=True)
    return refused


def _counted_changes(count: int, what: str) -> str:
    return f"{count} change{'s'[: count != 1]} {what}" if count else "nothing to change for certain"


def _strictly(diagnostic: Diagnostic) -> Diagnostic:
    from renderer.spec.diagnostics import Level

    return replace(diagnostic, level=Level.ERROR) if diagnostic.level is Level.WARNING else diagnostic


def _explained(code: str) -> str:
    """What a code means: a lint's entry of the reference page, or an error's.

    Raises: UsageError for a code that nothing has.
    """
    from renderer.errors import UsageError
    from renderer.spec.fault_table import FAULTS, fault_entry, value_codes
    from renderer.spec.lints.page import entry
    from renderer.spec.lints.table import LINTS
    from renderer.spec.near import suggestion

    for lint in LINTS:
        if lint.code == code:
            return entry(lint)
    if told := fault_entry(code):
        return told
    codes = (*(lint.code for lint in LINTS), *(fault.code for fault in FAULTS))
    near = suggestion(code, (*codes, *value_codes()))
    raise UsageError(f"there is no code `{code}`", help=near or "known are " + ", ".join(sorted(codes)))


def _summary(loaded: Loaded | None, read: Sequence[ReadAlbum]) -> str:
    albums = counted(sum(not one.faults for one in read), "album")
    if loaded is None:
        return f"{albums} in order"
    songs, takes = counted(len(loaded.songs), "song"), counted(sum(song.num_takes for song in loaded.songs), "take")
    return f"{songs} in order, {takes}" + (f", {albums}" if read else "")


def _document(loaded: Loaded, diagnostics: Sequence[Diagnostic]) -> dict[str, object]:
    return {
        "songs": [
            {"name": song.name, "file": str(song.source), "takes": [take.name for take in song.takes()]}
            for song in loaded.songs
        ],
        "diagnostics": [_row(diagnostic) for diagnostic in diagnostics],
    }


def _row(diagnostic: Diagnostic) -> dict[str, object]:
    span = diagnostic.span
    return {
        "code": diagnostic.code,
        "level": str(diagnostic.level),
        "message": diagnostic.message,
        "why": diagnostic.why,
        "help": diagnostic.help,
        "file": None if diagnostic.file is None else str(diagnostic.file),
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_column": span.end if span else None,
    }
