"""What pages say to type -> commands, options and extras in it that don't exist."""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import TYPE_CHECKING

import click

from renderer.cli.main import COMMANDS, cli
from tests.docs.blocks import ROOT, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_INLINE = re.compile(r"(?<!`)`(renderer(?: [^`\n]+)?)`(?!`)|(?<!`)`(\w[\w, ]*? --[^`\n]+)`(?!`)")
_EXTRAS = re.compile(r"(?:renderer|\.)\[([\w,]+)\]")
_PROGRAM = re.compile(r"(?:^|[\s/>=])renderer (?P<words>[a-z]+(?= |$)[^\n|<;&]*)")


def typed(page: Path) -> Iterator[tuple[str, str]]:
    """Where a page says to type something of the renderer's, and what: in blocks of whatever kind, and in sentences."""
    text = page.read_text("utf-8")
    for block in blocks(page):
        if block.language not in {"toml", "python", "text", "diff"}:
            lines = (
                (command for command, _ in block.commands) if block.language == "console" else block.text.splitlines()
            )
            yield from (
                (block.place, found["words"]) for line in lines for found in _PROGRAM.finditer(line.partition(" #")[0])
            )
    for found in _INLINE.finditer(text):
        # In sentences a command may stand without `renderer`, and so may other programs.
        words = found[1].removeprefix("renderer").strip() if found[1] else found[2]
        if words and (found[1] or words.split()[0] in COMMANDS):
            yield f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}", words


def unknown_words(line: str) -> list[str]:
    """The commands and options in a command line, without `renderer`, that the program hasn't."""
    words = _words(line)
    first = words[0].strip(",")
    if first in {"COMMAND", "[OPTIONS]"} or first.startswith("-"):
        return []
    if first not in COMMANDS:
        return [first]
    command = cli.get_command(click.Context(cli), first)
    assert command is not None
    if isinstance(command, click.Group) and len(words) > 1 and words[1] in command.commands:
        command = command.commands[words[1]]
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line.replace("…", " "), comments=True)
    except ValueError:  # a sentence's apostrophe
        return line.split()


def unknown_extras(page: Path) -> set[str]:
    """Extras that a page names and the package hasn't."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {name for found in _EXTRAS.findall(page.read_text("utf-8")) for name in found.split(",")}
    return named - set(project["optional-dependencies"])
