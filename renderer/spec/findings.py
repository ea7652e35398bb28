"""What a rule found, with its place by key and text; turned into a diagnostic with a span only when it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Diagnostic, Edit, Level, Span
from renderer.spec.edits import new_line
from renderer.spec.source import Source
from renderer.spec.toml import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.build import CheckedSpec
    from renderer.spec.source import KeyPath

Mend = Callable[[str], str | None]
"""A line as it is written -> what to write, lines or nothing; None where it isn't certain."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class Mark(StrEnum):
    """What of a key and its value the caret stands under."""

    KEY = "key"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault, less its code and level, which its rule has."""

    path: KeyPath
    message: str
    why: str = ""
    help: str = ""
    mark: Mark = Mark.VALUE
    part: tuple[int, int] | None = None
    """Offset and length of what is meant in the text at `path`."""
    edits: tuple[Edit, ...] = ()
    """What mends it in the file it is found in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LyricsFinding:
    """A fault in the lyrics, wherever they are written."""

    line: int
    """Of the text that is sent, from 0."""
    message: str
    why: str = ""
    help: str = ""
    text: str = ""
    """What is meant in that line; the whole line when empty."""
    mends: tuple[tuple[int, Mend], ...] = ()
    """Lines of the text that is sent, and what makes of each, as it is written, what should stand there."""


def diagnostic(
    finding: Finding | LyricsFinding, *, code: str, level: Level, source: Source, draft: CheckedSpec | None
) -> Diagnostic:
    """The finding with its place; `draft` is needed where the lyrics are meant."""
    edits: tuple[Edit, ...] = ()
    if isinstance(finding, Finding):
        span, edits = _span(finding, source), finding.edits
    elif draft is None:
        raise ValueError("a finding in lyrics needs the song that has them")
    else:
        source, span = _in_lyrics(finding, draft)
        if finding.mends:
            edits = tuple(_edits(finding.mends, draft, source))
    return Diagnostic(
        code=code,
        level=level,
        message=finding.message,
        file=source.path,
        span=span,
        excerpt=source.line(span.line),
        why=finding.why,
        help=finding.help,
        edits=edits,
    )


def _span(finding: Finding, source: Source) -> Span:
    if finding.part is not None:
        return source.inside(finding.path, *finding.part)
    return source.key(finding.path) if finding.mark is Mark.KEY else source.value(finding.path)


def _in_lyrics(finding: LyricsFinding, draft: CheckedSpec) -> tuple[Source, Span]:
    spec, source = draft.spec, draft.parsed.source
    if isinstance(spec.lyrics, str):
        return source, _in_text(finding.line, finding.text, ("lyrics",), spec.lyrics, source)
    if spec.lyrics is not None:
        return source, _in_sections(finding, draft)
    if spec.lyrics_file is None:
        return source, source.key(("instrumental",))
    path = draft.project.folder / spec.lyrics_file
    text = read_text(path, max_bytes=1 << 20)
    if isinstance(text, Diagnostic):
        return source, source.value(("lyrics_file",))
    line = finding.line + _leading_blanks(text) + 1
    file = Source(path=draft.parsed.source.path.parent / spec.lyrics_file, text=text)
    return file, _in_line(file.line(line), line, finding.text)


def _edits(mends: tuple[tuple[int, Mend], ...], draft: CheckedSpec, source: Source) -> Iterator[Edit]:
    """The changes of the lines, where the lyrics are written."""
    spec = draft.spec
    if isinstance(spec.lyrics, str):
        yield from _edits_in_text(mends, ("lyrics",), spec.lyrics, source)
    elif spec.lyrics is not None:
        for position, first, text in _section_texts(draft):
            inside = tuple(
                (line - first, mend) for line, mend in mends if 0 <= line - first < text.strip().count("\n") + 1
            )
            yield from _edits_in_text(inside, ("lyrics", position, "text"), text, source)
    elif spec.lyrics_file is not None:
        starts = [0, *(match.end() for match in re.finditer("\n", source.text))]
        lines = source.text.split("\n")
        for line, mend in mends:
            number = line + _leading_blanks(source.text)
            if number < len(lines) and (new := mend(lines[number])) is not None:
                yield Edit(start=starts[number], end=starts[number] + len(lines[number]), text=new)


def _edits_in_text(mends: tuple[tuple[int, Mend], ...], path: KeyPath, value: str, source: Source) -> Iterator[Edit]:
    starts = [0, *(match.end() for match in _LINE_END.finditer(value))]
    lines = _LINE_END.split(value)
    for line, mend in mends:
        number = line + _leading_blanks(value)
        if number < len(lines) and (new := mend(lines[number])) is not None:
            yield from new_line(source, path, starts[number], starts[number] + len(lines[number]), new)


def _section_texts(draft: CheckedSpec) -> Iterator[tuple[int, int, str]]:
    """Of lyrics in list form: each section's number, the line of what is sent its text begins at, and the text."""
    line = 0
    for position, section in enumerate(draft.spec.lyrics if isinstance(draft.spec.lyrics, list) else []):
        num_lines = len(section.text.strip().split("\n")) if section.text.strip() else 0
        if num_lines:
            yield position, line + 1, section.text
        line += num_lines + 2


def _in_sections(finding: LyricsFinding, draft: CheckedSpec) -> Span:
    """The same line in the list form: `[tag] (annotation)`, the text's lines, a blank line."""
    source, line = draft.parsed.source, finding.line
    sections = draft.spec.lyrics if isinstance(draft.spec.lyrics, list) else []
    for position, section in enumerate(sections):
        if line == 0:
            return source.value(("lyrics", position, "section"))
        num_lines = len(section.text.strip().split("\n")) if section.text.strip() else 0
        if line <= num_lines:
            return _in_text(line - 1, finding.text, ("lyrics", position, "text"), section.text, source)
        line -= num_lines + 2
    return source.value(("lyrics",))


def _in_text(line: int, text: str, path: KeyPath, value: str, source: Source) -> Span:
    starts = [0, *(match.end() for match in _LINE_END.finditer(value))]
    position = min(line + _leading_blanks(value), len(starts) - 1)
    start = starts[position]
    written = _LINE_END.split(value)[position]
    found = written.find(text) if text else -1
    if found < 0:
        found, text = len(written) - len(written.lstrip()), written.strip()
    return source.inside(path, start + found, len(text))


def _in_line(written: str, line: int, text: str) -> Span:
    found = written.find(text) if text else -1
    if found < 0:
        found, text = 0, written
    return Span(line=line, column=found + 1, end=found + 1 + max(len(text), 1))


def _leading_blanks(text: str) -> int:
    lines = _LINE_END.split(text)
    return next((count for count, line in enumerate(lines) if line.strip()), 0)
