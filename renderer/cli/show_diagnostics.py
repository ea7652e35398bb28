"""Diagnostics on a terminal: coloured where it can, folded to its width."""

from __future__ import annotations

import shutil
from typing import IO, TYPE_CHECKING

import click

from renderer.cli.streams import say
from renderer.spec.diagnostics import TEXT_WIDTH, Diagnostic, Level, Tone, lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLOURS: Mapping[Level, str] = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


def show_diagnostics(diagnostics: Sequence[Diagnostic], *, stream: IO[str]) -> None:
    """Each diagnostic with a blank line after it, then how many of each level there were."""
    width = shutil.get_terminal_size().columns if stream.isatty() else TEXT_WIDTH
    for diagnostic in diagnostics:
        text = "\n".join(
            "".join(_styled(piece, tone, diagnostic.level) for tone, piece in line)
            for line in lines(diagnostic, width=width)
        )
        click.echo(f"{text}\n", file=stream)
    if diagnostics:
        click.echo(counted(diagnostics), file=stream)


def show_what_spoils(diagnostics: Sequence[Diagnostic], *, stream: IO[str]) -> None:
    """Errors and warnings as `show_diagnostics` has them; notes, which `check` is for, only counted."""
    serious = [diagnostic for diagnostic in diagnostics if diagnostic.level is not Level.NOTE]
    show_diagnostics(serious, stream=stream)
    if num_notes := len(diagnostics) - len(serious):
        click.echo(f"{num_notes} note{'' if num_notes == 1 else 's'}: `renderer check` shows them", file=stream)


def show_remarks(remarks: Sequence[str]) -> None:
    """What to know of the machine before anything runs, a line each, on standard error."""
    for remark in remarks:
        say(f": {remark}", head="warning", colour="yellow", err=True)


def counted(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`."""
    counts = ((sum(one.level is level for one in diagnostics), level) for level in Level)
    return ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for count, level in counts if count)


def _styled(piece: str, tone: Tone, level: Level) -> str:
    match tone:
        case Tone.LEVEL | Tone.CARET:
            return click.style(piece, fg=_COLOURS[level], bold=True)
        case Tone.MESSAGE:
            return click.style(piece, bold=True)
        case Tone.PLACE:
            return click.style(piece, fg="blue")
        case _:
            return click.style(piece)
