"""What is wrong with a spec, where, why and what to do, and how that prints. Knows no TOML and no rules."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

TEXT_WIDTH = 80  # cells; what a diagnostic is folded to when nobody says otherwise
_MIN_EXCERPT = 20  # cells of the source line that stay visible on the narrowest terminal
_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})  # categories that move the cursor, or that nobody sees
_JOINERS = frozenset("\u200c\u200d")  # hold emoji and Indic letters together


class Level(StrEnum):
    """How bad it is: an error refuses to render, a warning spoils the result, a note tells of the unusual."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of one line: 1-based, columns in characters, `end` is the column after the last."""

    line: int
    column: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of a file's text, its line ends unified and its byte-order mark dropped."""

    start: int
    """In characters."""
    end: int
    text: str
    """What stands from `start` to `end` afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One fault. `message`, `why` and `help` are lower case, without a full stop, names in backticks."""

    code: str
    """Stable, kebab-case: `bpm-range`."""
    message: str
    level: Level = Level.ERROR
    file: Path | None = None
    span: Span | None = None
    excerpt: str = ""
    """The source line that `span` points into, without its line end."""
    why: str = ""
    help: str = ""
    edits: tuple[Edit, ...] = ()
    """What mends it in `file`; empty where more than one thing could be meant."""

    def __str__(self) -> str:
        return plain(self)


class Tone(StrEnum):
    """What a piece of printed text is, so that a terminal can colour it."""

    LEVEL = "level"
    MESSAGE = "message"
    PLACE = "place"
    EXCERPT = "excerpt"
    CARET = "caret"
    HELP = "help"


Piece = tuple[Tone, str]


def printable(text: str) -> str:
    r"""User text made safe for a terminal: control and invisible characters as `\x1b`, tabs as one space."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character == "\t":
        return " "
    hidden = unicodedata.category(character) in _HIDDEN and character not in _JOINERS
    return character.encode("unicode_escape", "surrogatepass").decode() if hidden else character


def place(diagnostic: Diagnostic) -> str:
    """`specs/night.toml:3:7`, as editors and terminals understand it."""
    if diagnostic.file is None:
        return ""
    file = printable(str(diagnostic.file))
    return f"{file}:{diagnostic.span.line}:{diagnostic.span.column}" if diagnostic.span else file


def plain(diagnostic: Diagnostic, *, width: int = TEXT_WIDTH) -> str:
    """The diagnostic as plain lines, folded to `width` cells."""
    return "\n".join("".join(text for _, text in line) for line in lines(diagnostic, width=width))


def lines(diagnostic: Diagnostic, *, width: int = TEXT_WIDTH) -> Iterator[list[Piece]]:
    """The diagnostic line by line, each in pieces of one tone.

    A place and a code are never folded, so that they can be searched for and clicked.
    """
    head = f"{diagnostic.level}[{diagnostic.code}]"
    message = _folded(printable(diagnostic.message), width=width, first=cell_len(head) + 2, rest=2)
    yield [(Tone.LEVEL, head), (Tone.MESSAGE, f": {message[0]}")]
    for more in message[1:]:
        yield [(Tone.MESSAGE, f"  {more}")]
    margin = " " * len(str(diagnostic.span.line)) if diagnostic.span else " "
    if diagnostic.file is not None:
        yield [(Tone.PLACE, f"{margin}--> {place(diagnostic)}")]
    told = yield from _excerpt(diagnostic, width=width)
    if diagnostic.why and not told:
        yield from _remark(margin, "why", diagnostic.why, width=width)
    if diagnostic.help:
        yield from _remark(margin, "help", diagnostic.help, width=width)


def _excerpt(diagnostic: Diagnostic, *, width: int) -> Generator[list[Piece], None, bool]:
    """The source line with its caret; returns whether the reason fitted beside the caret."""
    span = diagnostic.span
    if span is None:
        return False
    number = str(span.line)
    columns = max(width - len(number) - 3, _MIN_EXCERPT)
    excerpt, indent, carets = _window(diagnostic.excerpt, span, columns)
    yield [(Tone.PLACE, f"{number} | "), (Tone.EXCERPT, excerpt)]
    why = printable(diagnostic.why)
    fits = indent + carets + 1 + cell_len(why) <= columns
    beside = f" {why}" if why and fits else ""
    yield [(Tone.PLACE, f"{' ' * len(number)} | "), (Tone.CARET, " " * indent + "^" * carets + beside)]
    return fits


def _window(line: str, span: Span, columns: int) -> tuple[str, int, int]:
    """The part of `line` around the span that fits `columns` cells, the caret's indent and its length in cells."""
    before = printable(line[: span.column - 1])
    marked = printable(line[span.column - 1 : span.end - 1])
    after = printable(line[span.end - 1 :])
    if cell_len(before) > columns // 2:
        before = "…" + _last_cells(before, columns // 2 - 1)
    indent = cell_len(before)
    whole = before + marked + after
    shown = whole if cell_len(whole) <= columns else _first_cells(whole, columns - 1) + "…"
    carets = max(1, min(cell_len(marked), columns - indent))
    return shown.rstrip(), indent, carets


def _first_cells(text: str, cells: int) -> str:
    """As much of the start of `text` as fits `cells`."""
    used = 0
    for position, character in enumerate(text):
        used += cell_len(character)
        if used > cells:
            return text[:position]
    return text


def _last_cells(text: str, cells: int) -> str:
    """As much of the end of `text` as fits `cells`, padded so that it fills them exactly."""
    used = 0
    for position in range(len(text) - 1, -1, -1):
        wide = cell_len(text[position])
        if used + wide > cells:
            return " " * (cells - used) + text[position + 1 :]
        used += wide
    return text


def _remark(margin: str, label: str, text: str, *, width: int) -> Iterator[list[Piece]]:
    lead = f"{margin} = {label}: "
    folded = _folded(printable(text), width=width, first=len(lead), rest=len(lead))
    yield [(Tone.HELP, lead + folded[0])]
    for more in folded[1:]:
        yield [(Tone.HELP, " " * len(lead) + more)]


def _folded(text: str, *, width: int, first: int, rest: int) -> list[str]:
    """`text` in lines that fit `width` after an indent of `first`, then `rest`, cells; words stay whole."""
    folded = wrap(
        text,
        max(width, first + _MIN_EXCERPT),
        initial_indent=" " * first,
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [folded[0][first:], *(line[rest:] for line in folded[1:])] if folded else [""]
