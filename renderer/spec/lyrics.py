"""Lyrics as written -> sections, and the exact text the model is sent. Knows no TOML.

A section begins with a line such as `[verse 2]`, `[bridge] (whispered)` or `[Intro - Synth Brass]`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from renderer.song import INSTRUMENTAL_LYRICS, Section

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADER = re.compile(r"[ \t]*\[([^\[\]]+)\][ \t]*((?:\[[^\[\]]*\][ \t]*)*)(?:[(\uff08](.*)[)\uff09])?[ \t]*")
_DIVIDER = re.compile(r"\s+[-\u2013\u2014|]\s*|\s*[-\u2013\u2014|]\s+|\s*[:\uff1a]\s*|\s*[,\uff0c]\s*")
_NUMBER = re.compile(r"(.*?[^\d\s#.])\s*#?(\d{1,3})")
_REPEAT = re.compile(r".*(?:^|[\s\d])[x\u00d7]\s*\d+", re.IGNORECASE)
_STACKED = re.compile(r"\[([^\[\]]*)\]")
_BETWEEN = re.compile(r"[)\uff09]\s*[(\uff08]")
_CUE = re.compile(r"(?:\[|\()([^\[\]()]{1,80})(?:\]|\))")
_MAX_HEADER = 300  # characters; a longer line is no header, whatever it looks like
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
    tag = found.tag if found.number is None else f"{found.tag} {found.number}"
    return f"[{tag} - {found.annotation}]" if style == "bracket" else f"[{tag}] ({found.annotation})"


def parse(text: str) -> tuple[Section, ...]:
    """The sections of a unified text; lines before the first tag are a section with an empty tag."""
    sections: list[Section] = []
    head, start, lines = Section(tag=""), 0, list[str]()
    for number, line in enumerate(text.split("\n")):
        found = header(line) if "[" in line else None
        if found is None:
            lines.append(line)
            continue
        _close(sections, head, start, lines)
        head, start, lines = found, number, []
    _close(sections, head, start, lines)
    return tuple(sections)


def is_instrumental(text: str) -> bool:
    """Whether the text is nothing but ACE-Step's word for music without singing."""
    return text.casefold() in _INSTRUMENTAL


def inline_cues(line: str) -> tuple[str, ...]:
    """What stands in brackets inside a sung line: `stay [laughs] (stay)` has `laughs` and `stay`."""
    return tuple(cue.strip() for cue in _CUE.findall(line) if cue.strip())


def header(line: str) -> Section | None:
    """A line that heads a section, without lines yet; None for any other line."""
    match = _HEADER.fullmatch(line) if len(line) <= _MAX_HEADER else None
    if match is None or not any(map(str.isalnum, match[1])):
        return None
    inside, stacked, paren = match.groups()
    parts = [part.strip() for part in _DIVIDER.split(inside.strip(), maxsplit=1)]
    annotations = [*parts[1:], *_STACKED.findall(stacked), *_BETWEEN.split(paren or "")]
    tag, number = _tag(parts[0] or inside.strip())
    return Section(tag=tag, number=number, annotation=", ".join(filter(None, map(str.strip, annotations))) or None)


def _tag(words: str) -> tuple[str, int | None]:
    match = None if _REPEAT.fullmatch(words) else _NUMBER.fullmatch(words)
    return (match[1].strip(), int(match[2])) if match else (words, None)


def _close(sections: list[Section], head: Section, start: int, lines: list[str]) -> None:
    body = "\n".join(lines).strip("\n").split("\n")
    told = tuple(body) if body != [""] else ()
    if head.tag or told:
        cues = tuple(cue for line in told if "[" in line or "(" in line for cue in inline_cues(line))
        sections.append(
            Section(tag=head.tag, number=head.number, annotation=head.annotation, lines=told, cues=cues, start=start)
        )
