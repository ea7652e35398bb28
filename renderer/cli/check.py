"""`renderer check`: read specs, say everything that is wrong with them, write nothing."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from renderer.cli.show_diagnostics import show_diagnostics

if TYPE_CHECKING:
    from renderer.spec.diagnostics import Diagnostic
    from renderer.spec.load import Loaded


@click.command(name="check")
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--model", metavar="NAME", help="Check against this model in place of the ones the specs name.")
@click.option("--strict", is_flag=True, help="Let warnings fail too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for a program to read.")
def command(paths: tuple[str, ...], model: str | None, strict: bool, as_json: bool) -> int:
    """Check the specs at PATHS (files or folders; specs/ when none is named).

    Loads no model and writes nothing. Exits with 2 when a spec has an error.
    """
    from renderer.spec.diagnostics import Level
    from renderer.spec.load import load_songs

    loaded = load_songs(paths or ("specs",), model=model)
    if as_json:
        click.echo(json.dumps(_document(loaded), ensure_ascii=False, indent=2))
    else:
        show_diagnostics(loaded.diagnostics, stream=sys.stdout)
        click.echo(_summary(loaded))
    fatal = {Level.ERROR, Level.WARNING} if strict else {Level.ERROR}
    return 2 if any(one.level in fatal for one in loaded.diagnostics) else 0


def _summary(loaded: Loaded) -> str:
    takes = sum(len(song.variants) * len(song.seeds) for song in loaded.songs)
    songs = len(loaded.songs)
    return f"{songs} song{'s'[: songs != 1]} in order, {takes} take{'s'[: takes != 1]}"


def _document(loaded: Loaded) -> dict[str, Any]:
    return {
        "songs": [
            {"name": song.name, "file": str(song.source), "takes": [take.name for take in song.takes()]}
            for song in loaded.songs
        ],
        "diagnostics": [_row(diagnostic) for diagnostic in loaded.diagnostics],
    }


def _row(diagnostic: Diagnostic) -> dict[str, Any]:
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
