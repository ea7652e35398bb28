"""A song's sections and when its lines are sung -> when each section begins and ends, and which ones a name means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.artifacts import Timestamps
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


def section_windows(timestamps: Timestamps, sections: Sequence[Section]) -> tuple[TimedSection, ...]:
    """The sections that the timestamps know, each from its tag to the tag of the next, the last to the sound's end."""
    lines, found = timestamps.lines, []
    for place, section in enumerate(sections):
        below = sections[place + 1].start if place + 1 < len(sections) else None
        first = next(
            (line for line in lines if line.row >= section.start and (below is None or line.row < below)), None
        )
        if first is not None:
            found.append((place, first.start))
    ends = [*(start for _, start in found[1:]), timestamps.seconds]
    numbers = _numbers(sections)
    return tuple(
        TimedSection(tag=sections[place].tag, number=numbers[place], place=place, start=start, end=max(start, end))
        for (place, start), end in zip(found, ends if found else (), strict=True)
    )


def windows_of(tag: str, number: int | None, windows: Sequence[TimedSection]) -> tuple[TimedSection, ...]:
    """Those of a tag, all of them or that one; capitals, brackets and spaces don't count. None where there is none."""
    own = [one for one in windows if _folded(one.tag) == _folded(tag)]
    return tuple(one for one in own if number in (None, one.number))


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
