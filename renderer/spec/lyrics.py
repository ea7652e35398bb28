"""Lyrics as written -> sections, and the exact text the model is sent. Knows no TOML.

A section begins with a line such as `[verse 2]`, `[bridge] (whispered)` or `[Intro - Synth Brass]`; `headings` knows
the forms. Parsing changes nothing of what is sent.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.song import INSTRUMENTAL_LYRICS, Section
from renderer.spec.headings import header, headings_in
from renderer.spec.tags import TagKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.spec.headings import Heading

_CUE = re.compile(r"(?:\[|\()([^\[\]()]{1,80})(?:\]|\))")
_CUES = frozenset({TagKind.DIRECTION, TagKind.ENDING})
_INSTRUMENTAL = {INSTRUMENTAL_LYRICS.casefold(), "[inst]"}


def unified(text: str) -> str:
    """The text as the model takes it: NFC, line feeds only, no blank lines around it, no blanks at line ends."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def written(sections: Iterable[tuple[str, str | None, str]]) -> str:
    """Sections of tag, annotation and text as one text: `[tag] (annotation)`, the lines, a blank line between."""
    return "\n\n".join(_written(*section) for section in sections)


def _written(tag: str, annotation: str | None, text: str) -> str:
    head = f"[{tag.strip()}] ({annotation.strip()})" if annotation else f"[{tag.strip()}]"
    body = unified(text)
    return f"{head}\n{body}" if body else head


def restyled(text: str, style: str) -> str:
    """The text with its annotations written as `[bridge] (…)` (`paren`) or `[bridge - …]` (`bracket`)."""
    return "\n".join(_restyled(line, style) if "[" in line else line for line in text.split("\n"))


def _restyled(line: str, style: str) -> str:
    found = header(line)
    if found is None or found.annotation is None:
        return line
    tag = found.numbered_tag
    return f"[{tag} - {found.annotation}]" if style == "bracket" else f"[{tag}] ({found.annotation})"


def parse(text: str) -> tuple[Section, ...]:
    """The sections of a unified text; lines before the first tag are a section with an empty tag.

    Tags below a tag, before anything is sung, are directions of its section; one below sung lines is a cue of theirs.
    """
    reading, headings = _Reading(), headings_in(text)
    for number, line in enumerate(text.split("\n")):
        found = headings.get(number)
        if found is None:
            reading.sing(number, line)
        else:
            reading.take(number, line, found)
    reading.close()
    return tuple(reading.sections)


class _Reading:
    """The sections so far, and the one whose lines are being read."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.head = Section(tag="")
        self.start = self.first = 0
        self.lines: list[str] = []
        self.last_heading = -2

    def take(self, number: int, line: str, heading: Heading) -> None:
        """The next line, with what it heads."""
        kind = kind_of(heading.section.tag)
        silent = not any(map(str.strip, self.lines))
        if silent and self.head.tag and self._directs(kind, straight=number - 1 == self.last_heading):
            self._direct(heading.section)
        elif kind is TagKind.LANGUAGE or (kind in _CUES and self.lines and self.lines[-1].strip()):
            self.sing(number, line)
            return
        else:
            self.close()
            self.head, self.start, self.first, self.lines = heading.section, number, number + 1, []
        self.last_heading = number
        if heading.words:
            self.sing(number, heading.words)

    def close(self) -> None:
        """The section that is being read is over."""
        body = "\n".join(self.lines).strip("\n").split("\n")
        lines = tuple(body) if body != [""] else ()
        if self.head.tag or lines:
            cues = tuple(cue for line in lines if "[" in line or "(" in line for cue in inline_cues(line))
            self.sections.append(
                Section(
                    tag=self.head.tag,
                    number=self.head.number,
                    annotation=self.head.annotation,
                    lines=lines,
                    cues=cues,
                    start=self.start,
                    first=self.first,
                )
            )

    def sing(self, number: int, line: str) -> None:
        """The next line, which is sung, or blank."""
        if not any(map(str.strip, self.lines)):
            self.first, self.lines = number, []
        self.lines.append(line)

    def _direct(self, section: Section) -> None:
        tag = section.numbered_tag
        direction = f"{tag}: {section.annotation}" if section.annotation else tag
        self.head = replace(self.head, annotation=", ".join(filter(None, (self.head.annotation, direction))))

    @staticmethod
    def _directs(kind: TagKind, *, straight: bool) -> bool:
        """Whether a tag below a tag belongs to its section; one of no known kind does if no blank line parts them."""
        return kind in _CUES or kind is TagKind.LANGUAGE or (straight and kind is TagKind.UNKNOWN)


def is_instrumental(text: str) -> bool:
    """Whether the text is nothing but ACE-Step's word for music without singing."""
    return text.casefold() in _INSTRUMENTAL


def inline_cues(line: str) -> tuple[str, ...]:
    """What stands in brackets inside a sung line: `stay [laughs] (stay)` has `laughs` and `stay`."""
    return tuple(cue.strip() for cue in _CUE.findall(line) if cue.strip())
