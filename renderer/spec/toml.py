"""A TOML file -> its values and its Source, or the one fault that keeps it from being read. Knows no spec."""

from __future__ import annotations

import re
import tomllib
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from renderer.files import is_regular, open_regular, real, why_refused
from renderer.spec.diagnostics import Diagnostic, Span
from renderer.spec.near import how_to_read
from renderer.spec.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 64 * 1024  # a spec is a few kB; tomllib's time grows faster than the file in the worst case
MAX_KEY_PARTS = 32  # tomllib takes quadratic time over the parts of a dotted key
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONG_KEY = re.compile(
    r"""(?<![\w."'-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}""" % MAX_KEY_PARTS  # noqa: UP031 - braces
)
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_instead: ContextVar[Mapping[Path, str]] = ContextVar(
    "texts that are read in place of files", default=MappingProxyType({})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A file that is TOML."""

    values: Mapping[str, object]
    source: Source


def read_toml(path: Path) -> Parsed | Diagnostic:
    """The file's values, with line ends unified and a byte-order mark dropped, or why they can't be had."""
    if path.is_symlink() and (leads := real(path)).suffix != path.suffix and is_regular(leads):
        return other_kind(path, leads)
    text = read_text(path, max_bytes=MAX_BYTES)
    return text if isinstance(text, Diagnostic) else parsed_toml(text, path)


def parsed_toml(text: str, path: Path) -> Parsed | Diagnostic:
    """The values of a text that was read from `path`, or why it is no TOML that can be taken."""
    source = Source(path=path, text=text)
    if text.count(".") >= MAX_KEY_PARTS and (long_key := _LONG_KEY.search(text)):
        return Diagnostic(
            code="key-too-long",
            message=f"a dotted key of more than {MAX_KEY_PARTS} parts",
            file=path,
            span=source.at(long_key.start(), long_key.end()),
            excerpt=source.line(source.at(long_key.start(), long_key.end()).line),
            why="no key of a spec has more than three",
        )
    try:
        return Parsed(values=tomllib.loads(text), source=source)
    except RecursionError:
        return Diagnostic(
            code="too-deep",
            message="arrays or inline tables are nested too deeply",
            file=path,
            why="a spec nests no deeper than a list of tables",
        )
    except ValueError as error:  # TOMLDecodeError, and int() at more digits than Python converts
        return _syntax(source, str(error))


def other_kind(path: Path, leads: Path) -> Diagnostic:
    """Of a link to a file that is none of ours: nothing of it is read, so that none of its lines are shown."""
    return Diagnostic(
        code="other-kind",
        message="it is a link to a file of another kind",
        file=path,
        why=f"it leads to `{leads.name}`",
        help=f"link to a `{path.suffix}` file, or take the link away",
    )


@contextmanager
def instead_of(texts: Mapping[Path, str]) -> Iterator[None]:
    """Read these texts, by their files' real paths, in place of what is on disk, to see what a change would do."""
    before = _instead.set(texts)
    try:
        yield
    finally:
        _instead.reset(before)


def is_there(path: Path) -> bool:
    """Whether there is a file, or a text to be read in its place."""
    return path.resolve() in (_instead.get() or {}) or is_regular(path)


def read_text(path: Path, *, max_bytes: int) -> str | Diagnostic:
    """A UTF-8 file's text, line ends unified and a byte-order mark dropped, or why it can't be had."""
    if (texts := _instead.get()) and (given := texts.get(path.resolve())) is not None:
        return given
    try:
        with open_regular(path) as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        return Diagnostic(
            code="unreadable",
            message="the file can't be read",
            file=path,
            why=why_refused(error),
            help=how_to_read(path, error),
        )
    if len(content) > max_bytes:
        return Diagnostic(
            code="file-too-large",
            message=f"the file is larger than {max_bytes // 1024} KiB",
            file=path,
            why="a song is a few kilobytes of text; this is something else",
        )
    content = content.removeprefix(_BYTE_ORDER_MARK)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return _encoding(path, content, error)
    return text.replace("\r\n", "\n") if "\r" in text else text


def _encoding(path: Path, content: bytes, error: UnicodeDecodeError) -> Diagnostic:
    before = content[: error.start].decode(errors="replace").replace("\r\n", "\n")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    written = content.decode(errors="replace").replace("\r\n", "\n").split("\n")[line - 1]
    return Diagnostic(
        code="encoding",
        message="the file is not UTF-8",
        file=path,
        span=Span(line=line, column=column, end=column + 1),
        excerpt=written,
        why=f"byte 0x{content[error.start]:02x} is no UTF-8 here",
        help="save the file as UTF-8",
    )


def _syntax(source: Source, message: str) -> Diagnostic:
    place = _PLACE.search(message)
    line, column = (int(place[1]), int(place[2])) if place and place[1] else _end(source)
    reason = message[: place.start()] if place else message
    if "integer string conversion" in reason:
        line, column, end, reason = _long_integer(source)
    else:
        end = column + 1
    from renderer.spec.syntax_hints import syntax_hint  # noqa: PLC0415 - a table of patterns that few files need

    advice, edits = syntax_hint(source, line, column, reason)
    return Diagnostic(
        code="toml-syntax",
        message="this is no valid TOML",
        file=source.path,
        span=Span(line=line, column=column, end=end),
        excerpt=source.line(line),
        why=_lower_first(reason),
        help=advice,
        edits=edits,
    )


def _end(source: Source) -> tuple[int, int]:
    """Behind the last character that is no blank."""
    text = source.text.rstrip()
    line = text.count("\n") + 1
    return line, len(text) - (text.rfind("\n") + 1) + 1


def _long_integer(source: Source) -> tuple[int, int, int, str]:
    match = re.search(r"[+-]?\d[\d_]{4000,}", source.text)
    span = source.at(match.start(), match.end()) if match else Span(line=1, column=1, end=2)
    return span.line, span.column, span.end, "no number of a spec has thousands of digits"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
