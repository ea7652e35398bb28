"""Where things stand in a TOML file: spans of keys and values, also inside strings. Made only to report something.

Takes the text and a key path such as `("metas", "bpm")`; judges nothing. Positions by tree-sitter: tomllib has none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tree_sitter import Node

KeyPath = tuple[str | int, ...]
Range = tuple[int, int]

_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}
_CODE_LENGTHS = {"x": 2, "u": 4, "U": 8}
_LINE_CONTINUATION = re.compile(r"\\[ \t]*\n[ \t\n]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file's text, line ends unified, and the places in it."""

    path: Path
    text: str

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The text's lines without their ends."""
        return tuple(self.text.split("\n"))

    def line(self, number: int) -> str:
        """Line `number`, 1-based; empty past the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def value(self, path: KeyPath) -> Span:
        """Where the value at `path` stands; of the nearest table above it that the file has when it isn't there."""
        return self._nearest(path, self._ranges.values)

    def key(self, path: KeyPath) -> Span:
        """Where the key at `path` is written, or the nearest above it."""
        return self._nearest(path, self._ranges.keys)

    def has(self, path: KeyPath) -> bool:
        """Whether the file itself writes something at `path`."""
        return path in self._ranges.values or path in self._ranges.keys

    def value_range(self, path: KeyPath) -> Range | None:
        """The characters of the text that the value at `path` takes, quotes included; None where none is written."""
        return self._ranges.values.get(path)

    def key_range(self, path: KeyPath) -> Range | None:
        """The characters that the key at `path`, or its table's header, takes; None where none is written."""
        return self._ranges.keys.get(path)

    def written(self) -> tuple[KeyPath, ...]:
        """The paths of all keys and table headers, in the order written."""
        return tuple(self._ranges.keys)

    def table_at(self, line: int) -> KeyPath:
        """The table that a line, from 1, stands in, by the last header up to it; empty above all."""
        # Pairs have values, headers have none.
        headers = {place: path for path, place in self._ranges.keys.items() if path not in self._ranges.values}
        above = [(place, path) for place, path in headers.items() if self.at(*place).line <= line]
        return max(above, default=((0, 0), ()))[1]

    def inside(self, path: KeyPath, offset: int, length: int = 1) -> Span:
        """Where `length` characters from `offset` of the string at `path` stand; up to the end of their line."""
        place = self._ranges.values.get(path)
        if place is None:
            return self.value(path)
        offsets = string_offsets(self.text[place[0] : place[1]])
        start = place[0] + offsets[min(offset, len(offsets) - 1)]
        behind = place[0] + offsets[min(offset + max(length, 1), len(offsets) - 1)]
        return self.at(start, behind)

    def at(self, start: int, end: int) -> Span:
        """The span of the characters from `start` to `end` of the text, cut at the end of its first line."""
        line = bisect_right(self._line_starts, start)
        line_start = self._line_starts[line - 1]
        line_end = line_start + len(self.line(line))
        column = start - line_start + 1
        return Span(line=line, column=column, end=max(min(end, line_end) - line_start + 1, column + 1))

    @cached_property
    def _line_starts(self) -> tuple[int, ...]:
        return (0, *(match.end() for match in re.finditer("\n", self.text)))

    def _nearest(self, path: KeyPath, first: Mapping[KeyPath, Range]) -> Span:
        while path:
            place = first.get(path) or self._ranges.keys.get(path) or self._ranges.values.get(path)
            if place is not None:
                return self.at(*place)
            path = path[:-1]
        return Span(line=1, column=1, end=2)

    @cached_property
    def _ranges(self) -> _Ranges:
        return _locate(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranges:
    """Characters of the text that each key and each value take, quotes included."""

    keys: Mapping[KeyPath, Range]
    values: Mapping[KeyPath, Range]


def string_offsets(raw: str) -> list[int]:
    """For each character of a TOML string's value, its offset in `raw` (quotes included); one more for the end."""
    quote = raw[:3] if raw[:3] in {'"""', "'''"} else raw[:1]
    position = len(quote)
    end = len(raw) - len(quote)
    if len(quote) == 3 and raw.startswith("\n", position):  # noqa: PLR2004 - three quotes; the first line end is not content
        position += 1
    if quote.startswith("'"):
        return list(range(position, end + 1))
    return [*_basic_offsets(raw, position, end), end]


def _basic_offsets(raw: str, position: int, end: int) -> Iterator[int]:
    while position < end:
        if raw[position] != "\\":
            yield position
            position += 1
        elif continuation := _LINE_CONTINUATION.match(raw, position, end):
            position = continuation.end()
        else:
            yield position
            position += 2 + _CODE_LENGTHS.get(raw[position + 1 : position + 2], 0)


def _locate(source: Source) -> _Ranges:
    from tree_sitter import Language, Parser  # noqa: PLC0415 - only where something is reported
    from tree_sitter_toml import language  # noqa: PLC0415 - as above

    encoded = source.text.encode("utf-8", "surrogatepass")
    root = Parser(Language(language())).parse(encoded).root_node
    characters = _character_offsets(source.text, encoded)
    keys: dict[KeyPath, Range] = {}
    values: dict[KeyPath, Range] = {}
    for path, key_node, value_node in _walk(root):
        keys.setdefault(path, (characters(key_node.start_byte), characters(key_node.end_byte)))
        if value_node is not None:
            values.setdefault(path, (characters(value_node.start_byte), characters(value_node.end_byte)))
    return _Ranges(keys=keys, values=values)


class _character_offsets:  # noqa: N801 - used like a function
    """Byte offsets to character offsets; free where the text is ASCII."""

    def __init__(self, text: str, encoded: bytes) -> None:
        self._table: list[int] | None = None
        if len(text) != len(encoded):
            table = [0] * (len(encoded) + 1)
            position = -1
            for offset, byte in enumerate(encoded):
                position += byte & 0xC0 != 0x80  # noqa: PLR2004 - UTF-8 continuation bytes are 10xxxxxx
                table[offset] = position
            table[len(encoded)] = len(text)
            self._table = table

    def __call__(self, offset: int) -> int:
        return offset if self._table is None else self._table[offset]


def _walk(root: Node) -> Iterator[tuple[KeyPath, Node, Node | None]]:
    """Every key of the document with its path and its value (None for table headers), in the order written."""
    counts: dict[KeyPath, int] = {}
    for child in _content(root):
        if child.type == "pair":
            yield from _walk_values([(child, ())])
        elif child.named_children and child.type in {"table", "table_array_element"}:
            header, *pairs = _content(child)
            path = _numbered(_key_parts(header), counts)
            yield path, header, None
            if child.type == "table_array_element":
                counts[path] = counts.get(path, 0) + 1
                path = (*path, counts[path] - 1)
                yield path, header, None
            yield from _walk_values([(pair, path) for pair in reversed(pairs)])


def _walk_values(stack: list[tuple[Node, KeyPath]]) -> Iterator[tuple[KeyPath, Node, Node | None]]:
    # A stack, not recursion: the depth of the nesting is the user's.
    while stack:
        node, path = stack.pop()
        if node.type == "pair":
            parts = _content(node)
            if len(parts) != 2:  # noqa: PLR2004 - a key and its value; less where the syntax is broken
                continue
            path = (*path, *_key_parts(parts[0]))
            yield path, parts[0], parts[1]
            stack.append((parts[1], path))
        elif node.type == "inline_table":
            stack.extend((pair, path) for pair in reversed(_content(node)))
        elif node.type == "array":
            for position, value in enumerate(_content(node)):
                yield (*path, position), value, value
                stack.append((value, (*path, position)))


def _content(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _key_parts(node: Node) -> KeyPath:
    parts: list[str] = []
    stack = [node]
    while stack:
        current = stack.pop()
        if current.type == "dotted_key":
            stack.extend(reversed(current.named_children))
        else:
            text = (current.text or b"").decode("utf-8", "replace")
            parts.append(_unquoted(text) if current.type == "quoted_key" else text)
    return tuple(parts)


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    return re.sub(r"\\(x..|u....|U........|.)", _unescaped, text[1:-1], flags=re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 1:
        return _ESCAPES.get(escape, escape)
    try:
        return chr(int(escape[1:], 16))
    except (ValueError, OverflowError):
        return escape


def _numbered(parts: KeyPath, counts: Mapping[KeyPath, int]) -> KeyPath:
    """A header's path with the index of each array of tables on the way to it."""
    path: KeyPath = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path] - 1)
    return (*path, *parts[-1:])
