"""A song's sections and when its lines are sung -> when each section begins and ends, and which ones a name means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.song import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedSection:
    """When a section is played."""

    tag: str
    """As written, without a number; empty for lines before the first tag."""
    number: int
    """Its own, else which of its tag's sections it is, from 1."""
    place: int
    """Which of the song's sections it is, from 0."""
    start: float
    """Seconds."""
    end: float

    @property
    def name(self) -> str:
        """`chorus 2`."""
        return f"{self.tag} {self.number}"


class TimedRow(Protocol):
    """A line of the lyrics with when it begins."""

    @property
    def row(self) -> int:
        """The line of the lyrics it is, from 0."""

    @property
    def start(self) -> float:
        """Seconds."""


class TimedRows(Protocol):
    """Lines of the lyrics with when they begin: timestamps, or as much of them as there is."""

    @property
    def lines(self) -> Sequence[TimedRow]:
        """Tags among them."""

    @property
    def seconds(self) -> float:
        """Of the sound."""


def section_windows(timestamps: TimedRows, sections: Sequence[Section]) -> tuple[TimedSection, ...]:
    """The sections that the timestamps know, each from its tag to the tag of the next, the last to the sound's end."""
    belows = [*(section.start for section in sections[1:]), None]
    windows = [line_window(timestamps, one.start, below) for one, below in zip(sections, belows, strict=True)]
    numbers = _numbers(sections)
    return tuple(
        TimedSection(tag=section.tag, number=numbers[place], place=place, start=window[0], end=window[1])
        for place, (section, window) in enumerate(zip(sections, windows, strict=True))
        if window is not None
    )


def sections_named(tag: str, number: int | None, sections: Sequence[Section]) -> tuple[int, ...]:
    """The places of a tag's sections, all of them or that one; capitals, brackets and spaces don't count."""
    numbers = _numbers(sections)
    return tuple(
        place
        for place, section in enumerate(sections)
        if section.tag and _folded(section.tag) == _folded(tag) and number in (None, numbers[place])
    )


def section_names(sections: Sequence[Section]) -> tuple[str, ...]:
    """What sections can be called: their tags, and with a number those that stand there several times, or have one."""
    tags = [_folded(section.tag) for section in sections]
    named = zip(sections, tags, _numbers(sections), strict=True)
    found: dict[str, str] = {}
    for section, tag, number in named:
        is_numbered = tags.count(tag) > 1 or section.number is not None
        for name in [section.tag, *([f"{section.tag} {number}"] if is_numbered else ())] if tag else ():
            found.setdefault(_folded(name), name)
    return tuple(found.values())


def line_window(timestamps: TimedRows, first: int, below: int | None) -> tuple[float, float] | None:
    """From when to when lines of the lyrics are sung, in seconds, the rest before the next line included.

    `below` is the line after the last; None is the sound's end. None where none of them has times.
    """
    lines = timestamps.lines
    start = next((one.start for one in lines if one.row >= first and (below is None or one.row < below)), None)
    end = None if below is None else next((one.start for one in lines if one.row >= below), None)
    return None if start is None else (start, max(start, timestamps.seconds if end is None else end))


def _numbers(sections: Sequence[Section]) -> Sequence[int]:
    """Each section's number: its own, else how many of its tag there are up to it."""
    seen: dict[str, int] = {}
    numbers = []
    for section in sections:
        tag = _folded(section.tag)
        seen[tag] = seen.get(tag, 0) + 1
        numbers.append(seen[tag] if section.number is None else section.number)
    return numbers


def _folded(name: str) -> str:
    return " ".join(name.strip("[] ").casefold().split())
