"""`--verbose`, an option of every command: a failure with all that is known of it, for whoever looks for its cause."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from renderer.errors import RendererError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "--verbose"
_MOST_LINES = 40  # of a log: a traceback and what stood before it


def with_verbose(command: click.Command) -> click.Command:
    """The command, or each of a group's, with the option."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_verbose(inner)
    if (not isinstance(command, click.Group) or command.invoke_without_command) and not _has_it(command):
        command.params.append(_option())
    return command


def is_verbose() -> bool:
    """Whether the command that runs was asked for it."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_NAME))


@contextmanager
def told_in_full(context: click.Context) -> Iterator[None]:
    """Show where what leaves the scope came from, if asked; how it is told in words is left to whoever catches it."""
    try:
        yield
    except (RendererError, OSError) as error:
        if context.meta.get(_NAME):
            click.echo(_safe("".join(traceback.format_exception(error))), err=True)
        raise


def say_log(log: Path) -> None:
    """Where the worker's words are; if asked, the last of them."""
    if not log.is_file():
        return
    click.echo(_safe(f"the worker's log: {log}"))
    if is_verbose():
        lines = log.read_text("utf-8", "replace").splitlines()
        more = f"… {len(lines) - _MOST_LINES} lines before\n" if len(lines) > _MOST_LINES else ""
        click.echo(_safe(more + "\n".join(lines[-_MOST_LINES:])), err=True)


def _option() -> click.Option:
    return click.Option(
        [_NAME],
        is_flag=True,
        expose_value=False,
        callback=_note,
        help="Show all that is known of a failure.",
    )


def _has_it(command: click.Command) -> bool:
    return any(_NAME in param.opts for param in command.params)


def _note(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    del parameter
    if value:
        context.meta[_NAME] = True


def _safe(text: str) -> str:
    from renderer.cli.streams import safe

    return safe(text)
