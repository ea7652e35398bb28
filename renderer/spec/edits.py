"""Changes of a TOML text that mend it and leave all else as it is: a value, a key's name, a key in the wrong table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Edit
from renderer.spec.source import string_offsets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.spec.source import KeyPath, Source

_COMMENT = re.compile(r"[ \t]*(?:#[^\n]*)?")
_NOT_BARE = re.compile(r"[^A-Za-z0-9_-]")
_CONTROLS = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def new_value(source: Source, path: KeyPath, toml: str) -> tuple[Edit, ...]:
    """Another value at `path`; none where the file itself writes no value there."""
    place = source.value_range(path)
    return (Edit(start=place[0], end=place[1], text=toml),) if place else ()


def new_name(source: Source, path: KeyPath, name: str) -> tuple[Edit, ...]:
    """Another name for the key, or the table, at `path`; none where that is written already."""
    place = source.key_range(path)
    target = (*path[:-1], name)
    written = source.text[place[0] : place[1]] if place else ""
    if place is None or source.has(target) or not _ends_plainly(written, str(path[-1])) or _is_array(source, path):
        return ()
    return (Edit(start=place[1] - len(str(path[-1])), end=place[1], text=name),)


def moved(source: Source, path: KeyPath, table: KeyPath, name: str) -> tuple[Edit, ...]:
    """The pair at `path` in `table` (empty is the file's head) under `name`; none where the lines can't be parted."""
    lines = _own_lines(source, path)
    key = source.key_range(path)
    if lines is None or key is None or source.has((*table, name)) or source.text[key[0] : key[1]] != path[-1]:
        return ()
    start, end = lines
    pair = source.text[start : key[0]].lstrip(" \t") + name + source.text[key[1] : end]
    pair = pair if pair.endswith("\n") else f"{pair}\n"
    place = _head_end(source) if not table else _below_header(source, table)
    if place is not None and not start <= place < end:
        return (Edit(start=start, end=end, text=""), Edit(start=place, end=place, text=pair))
    if place is None and table and not _mentions(source, table):
        gap = "" if source.text.endswith("\n\n") else "\n" if source.text.endswith("\n") else "\n\n"
        length = len(source.text)
        if end == length:  # the file's last line: the table's header goes above it
            return (Edit(start=start, end=end, text=f"\n[{table[0]}]\n{pair}"),)
        appended = Edit(start=length, end=length, text=f"{gap}[{table[0]}]\n{pair}")
        return (Edit(start=start, end=end, text=""), appended)
    return ()


def new_line(source: Source, path: KeyPath, start: int, end: int, text: str) -> tuple[Edit, ...]:
    """`text` in place of the characters from `start` to `end` of the string at `path`, escaped for its quotes."""
    place = source.value_range(path)
    if place is None:
        return ()
    raw = source.text[place[0] : place[1]]
    escaped = _escaped(text, raw)
    if escaped is None:
        return ()
    offsets = string_offsets(raw)
    return (Edit(start=place[0] + offsets[start], end=place[0] + offsets[end], text=escaped),)


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made; of edits that overlap, the first ones."""
    behind = 0
    pieces: list[str] = []
    for edit in sorted(dict.fromkeys(edits), key=lambda edit: (edit.start, edit.end)):
        if edit.start >= behind:
            pieces += [text[behind : edit.start], edit.text]
            behind = edit.end
    return "".join([*pieces, text[behind:]])


def _escaped(text: str, raw: str) -> str | None:
    """As it stands between these quotes; None where literal ones can't hold it."""
    long = raw[:3] in {'"""', "'''"}
    if raw.startswith("'"):
        return None if raw[: 3 if long else 1] in text or ("\n" in text and not long) else text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped if long else "".join(_CONTROLS.get(character, character) for character in escaped)


def _ends_plainly(written: str, key: str) -> bool:
    return written.endswith(key) and not _NOT_BARE.search(key)


def _is_array(source: Source, path: KeyPath) -> bool:
    """Whether `path` names one of several tables of an array, which share their name."""
    return source.has((*path, 1))


def _own_lines(source: Source, path: KeyPath) -> tuple[int, int] | None:
    """Where the lines of a pair begin and end; None where something else stands in them."""
    key, value = source.key_range(path), source.value_range(path)
    if key is None or value is None:
        return None
    text = source.text
    start = text.rfind("\n", 0, key[0]) + 1
    rest = _COMMENT.match(text, value[1])
    behind = rest.end() if rest else value[1]
    if text[start : key[0]].strip() or (behind < len(text) and text[behind] != "\n"):
        return None
    return start, min(behind + 1, len(text))


def _head_end(source: Source) -> int | None:
    """Behind the last pair above the first table; where there is none, in front of that table."""
    ends = [lines[1] for path in source.written() if len(path) == 1 and (lines := _own_lines(source, path))]
    header = re.search(r"^[ \t]*\[", source.text, re.MULTILINE)
    before = [end for end in ends if header is None or end <= header.start() or not _below_a_header(source, end)]
    if before:
        return max(before)
    return header.start() if header else None


def _below_a_header(source: Source, place: int) -> bool:
    headers = [source.key_range(path) for path in source.written() if source.value_range(path) is None]
    return any(header is not None and header[0] < place for header in headers)


def _below_header(source: Source, table: KeyPath) -> int | None:
    """Behind the line of `[table]`; None where the file has no such line."""
    header = source.key_range(table)
    if header is None or source.value_range(table) is not None or not _is_header(source, header):
        return None
    end = source.text.find("\n", header[1])
    return None if end < 0 else end + 1


def _is_header(source: Source, header: tuple[int, int]) -> bool:
    start = source.text.rfind("\n", 0, header[0]) + 1
    return source.text[start : header[0]].strip() == "[" and source.text[header[1] :].lstrip(" \t").startswith("]")


def _mentions(source: Source, table: KeyPath) -> bool:
    """Whether the file writes anything of a table, in whichever form."""
    return any(path[: len(table)] == table for path in source.written())
