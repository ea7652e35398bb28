"""The tree of commands -> a page with each one's help: what it does, what it takes, every option."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

import click

from docs.reference.markdown import WRITTEN, code, table
from renderer.cli.main import COMMANDS, cli
from renderer.cli.verbose import with_verbose

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Commands

`renderer COMMAND --help` says the same on a terminal. Every command takes `--help` and `--verbose`, which shows all
that is known of a failure; they are left out below.

"""
_EVERYWHERE = {"--help", "--verbose"}


def commands_page() -> str:
    """An index, then an entry a command."""
    index = table(
        ["command", "what it does"], ([f"[`{name}`](#{name})", row.summary] for name, row in COMMANDS.items())
    )
    return WRITTEN + _HEAD + index + "".join(_entry(context) for context in contexts())


def contexts() -> Iterator[click.Context]:
    """Each command, and right behind it its own commands."""
    top = click.Context(cli, info_name="renderer")
    for name, row in COMMANDS.items():
        command: click.Command = with_verbose(import_module(row.module).command)
        context = click.Context(command, info_name=name, parent=top)
        yield context
        if isinstance(command, click.Group):
            yield from (click.Context(one, info_name=inner, parent=context) for inner, one in command.commands.items())


def _entry(context: click.Context) -> str:
    words = context.command_path.split()[1:]
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    options = "".join(f"- {line}\n" for line in _options(context))
    return f"\n#{'#' * len(words)} {' '.join(words)}\n\n```text\n{usage}\n```\n\n{_help(context.command)}\n" + (
        f"\n{options}" if options else ""
    )


def _help(command: click.Command) -> str:
    """The help's paragraphs; those that click doesn't fold are as they stand."""
    paragraphs = re.split(r"\n\s*\n", (command.help or "").strip())
    return "\n\n".join(_paragraph(one) for one in paragraphs)


def _paragraph(text: str) -> str:
    kept, _, rest = text.partition("\b\n")
    if rest:
        return f"{_folded(kept)}\n\n```text\n{rest.rstrip()}\n```".strip()
    return _folded(text)


def _folded(text: str) -> str:
    return " ".join(text.split())


def _options(context: click.Context) -> Iterator[str]:
    for param in context.command.get_params(context):
        told = param.get_help_record(context)
        if told is None or _EVERYWHERE.intersection(param.opts):
            continue
        names, text = told
        if text:  # an argument that the usage line tells of has none
            yield f"{code(names)}: {text}"
