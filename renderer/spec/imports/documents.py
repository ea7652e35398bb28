"""The text of a foreign file -> the songs' tables in it, as they were written; JSON, JSON lines or TOML."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from string import ascii_letters
from typing import TYPE_CHECKING, Any

from renderer.errors import RendererError, SpecError, UsageError
from renderer.spec.diagnostics import Diagnostic, Span
from renderer.spec.foreign import CALLED_HERE
from renderer.spec.toml import parsed_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_ENTRIES = 10_000  # that one file may hold
SUFFIXES = (".json", ".jsonl", ".ndjson", ".toml")
WHAT_IS_TAKEN = "an import takes .json, .jsonl, .ndjson and .toml files, and takes rendered here"
WRAPPERS = frozenset(
    {
        "params", "generation_params", "parameters", "config", "generation_config", "param_obj", "request", "input",
        "metas", "meta", "metadata", "user_metadata", "audio_config", "inference", "output", "data", "result",
    }
)  # fmt: skip
"""Tables that ACE-Step's interfaces put keys of a song into."""
CHAT = "messages"
_HELP: Mapping[tuple[str, ...], str] = {
    ("//", "/*", "#"): "JSON has no comments: take them out",
    ("'", "\u201c", "\u201d", "\u2018"): 'JSON puts texts between "…", straight ones',
    ("True", "False", "None", "nan"): "JSON writes `true`, `false` and `null`",
    tuple(ascii_letters): 'JSON puts keys and texts between "…"',
}
"""What stands where JSON can't go on -> what to do."""
LISTS = ("songs", "samples", "examples", "items", "tracks", "entries", "data", "results", "result")
"""What collections call the list of their songs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A foreign file's songs."""

    entries: tuple[Any, ...]
    """One a song, in the file's order: tables, whatever else somebody wrote, or the error that reading one gave."""
    is_list: bool
    beside: tuple[str, ...] = ()
    """The keys beside the list in the table that wraps it."""


class JsonTable(dict[str, Any]):
    """A JSON object that remembers which of its keys were written more than once."""

    __slots__ = ("twice",)
    twice: tuple[str, ...]


def read_document(text: str, file: Path) -> Document:
    """The songs that the text of `file` holds.

    Raises: SpecError when it is neither JSON nor TOML, UsageError when it holds nothing.
    """
    document = _document(_parsed(text, file))
    if not document.entries:
        raise UsageError(f"`{file.name}` is an empty list", why="a table of generation parameters is expected")
    if len(document.entries) > MAX_ENTRIES:
        raise UsageError(
            f"`{file.name}` lists {len(document.entries)} songs",
            why=f"one import takes {MAX_ENTRIES} at most",
            help="cut the list into several files",
        )
    return document


def _document(whole: Any) -> Document:
    """A list of songs, a table that is the wrapping of one, or a single song."""
    if isinstance(whole, list):
        return Document(entries=tuple(whole), is_list=True)
    if isinstance(whole, dict):
        lists = [key for key, value in whole.items() if key in LISTS and _is_of_songs(value)]
        if len(lists) == 1:
            beside = tuple(key for key, value in whole.items() if key != lists[0] and value not in (None, "", [], {}))
            return Document(entries=tuple(whole[lists[0]]), is_list=True, beside=beside)
    return Document(entries=(whole,), is_list=False)


def _is_of_songs(value: Any) -> bool:
    """Whether it is a list of tables, and one of them looks like a song's."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return False
    names = {snake(key) for one in value for key in one}
    return not names.isdisjoint({*WRAPPERS, CHAT}) or "caption" in {CALLED_HERE.get(name, name) for name in names}


def snake(key: str) -> str:
    """`keyScale`, `Key-Scale` and `key scale` as `key_scale`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.strip())
    return re.sub(r"[\s_-]+", "_", words).lower()


def _parsed(text: str, file: Path) -> Any:
    suffix = file.suffix.lower()
    if suffix == ".toml":
        return _toml(text, file)
    if suffix in {".jsonl", ".ndjson"}:
        return [_line(line, file, number) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return json_value(text, file)


def _line(text: str, file: Path, number: int) -> Any:
    """One line of JSON lines; a line that can't be read costs its own song only."""
    try:
        return json_value(text, file, first_line=number)
    except RendererError as error:
        return error


def _toml(text: str, file: Path) -> Mapping[str, object]:
    parsed = parsed_toml(text, file)
    if isinstance(parsed, Diagnostic):
        raise SpecError([parsed])
    return parsed.values


def json_value(text: str, file: Path, *, first_line: int = 1) -> Any:
    """The value of a JSON text, its objects as `JsonTable`.

    Raises: SpecError with the place when it is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_table)
    except json.JSONDecodeError as error:
        raise SpecError([_no_json(error, file, first_line)]) from error
    except RecursionError as error:
        fault = Diagnostic(
            code="too-deep",
            message="lists or objects are nested too deeply",
            file=file,
            why="a song's parameters nest no deeper than a few levels",
        )
        raise SpecError([fault]) from error
    except ValueError as error:  # int() at more digits than Python converts
        raise UsageError(f"`{file.name}` can't be read", why=str(error).split(";")[0].lower()) from error


def _table(pairs: list[tuple[str, Any]]) -> JsonTable:
    table = JsonTable(pairs)
    table.twice = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return table


def _no_json(error: json.JSONDecodeError, file: Path, first_line: int) -> Diagnostic:
    lines = error.doc.split("\n")
    written = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
    return Diagnostic(
        code="json-syntax",
        message="this is no valid JSON",
        file=file,
        span=Span(line=first_line + error.lineno - 1, column=error.colno, end=error.colno + 1),
        excerpt=written,
        why=error.msg[:1].lower() + error.msg[1:],
        help=_help(error, file),
    )


def _help(error: json.JSONDecodeError, file: Path) -> str:
    before, rest = error.doc[: error.pos].rstrip()[-1:], error.doc[error.pos :].lstrip()
    if file.suffix.lower() not in SUFFIXES:
        return WHAT_IS_TAKEN
    if error.msg.startswith("Extra data"):
        return "several songs stand between `[` and `]`, or one a line in a .jsonl file"
    if error.msg.startswith("Invalid control character"):
        return "a line break inside a text is written `\\n`"
    if (rest[:1] if before == "," else rest[1:].lstrip()[:1]) in {"]", "}"} and "," in {before, rest[:1]}:
        return "take out the comma before the closing bracket"
    return next((advice for starts, advice in _HELP.items() if rest.startswith(starts)), "")
