"""Output in whatever encoding the terminal has: what it can't show is replaced, and nothing ends for it."""

from __future__ import annotations

import codecs
import io
import json
import shutil
import sys
from textwrap import wrap
from typing import Any, TextIO

import click

_ASCII = "ascii-terminal"


def replace_what_cannot_be_shown() -> None:
    """Let stdout and stderr write `?` for characters that their encoding lacks."""
    codecs.register(_find)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # click takes a stream in plain ASCII for a mistake, and would send it UTF-8.
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ASCII if is_ascii else None, errors="replace")


def echo_json(document: Any) -> None:
    """Print a document for a program to read; in escapes where the encoding lacks a character, so that none is lost."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2)
    click.echo(text)


def _find(name: str) -> codecs.CodecInfo | None:
    if name.replace("_", "-") != _ASCII:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        plain.encode,
        plain.decode,
        incrementalencoder=plain.incrementalencoder,
        incrementaldecoder=plain.incrementaldecoder,
        name=_ASCII,
    )


def say(text: str, *, head: str = "", colour: str | None = None, err: bool = False) -> None:
    """A line or several for a person to read, behind a `head` in a colour; on a terminal folded between words.

    Nothing in them is able to move the cursor or to turn the writing round.
    """
    folded, told = _folded(head + safe(text), sys.stderr if err else sys.stdout), head.rstrip()
    # Without the blanks behind the head, which go where a line is folded there.
    click.echo(click.style(told, fg=colour, bold=err and colour is not None) + folded.removeprefix(told), err=err)


def say_line(text: str, *, head: str = "", colour: str | None = None, err: bool = False) -> None:
    """The same of a text that is to stay one line, whatever it was told by."""
    say(text.replace("\n", "\\n"), head=head, colour=colour, err=err)


def safe(text: str) -> str:
    """The text line by line, with control and invisible characters as escapes."""
    from renderer.spec.diagnostics import printable

    return "\n".join(map(printable, text.split("\n")))


def _folded(text: str, stream: TextIO) -> str:
    """The lines as they are for a program that reads them; for a person no wider than the terminal, paths apart."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_fold(line, width) if len(line) > width else line for line in text.split("\n"))


def _fold(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    lines = wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)
