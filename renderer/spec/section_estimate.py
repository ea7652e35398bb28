"""Where a song's sections lie in its sound, estimated from the layout of its lyrics while nothing tells it."""

from __future__ import annotations

from itertools import accumulate
from math import ceil, floor
from typing import TYPE_CHECKING

from renderer.facts import MIN_DURATION
from renderer.spec.section_windows import sections_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.song import Section, SectionWindow

_LINES_OF_A_TAG = 1.0  # a heading takes a breath of its own
_LINES_WITHOUT_WORDS = 4.0  # an intro, a solo or a break is about as long as four sung lines
_LETTERS_OF_A_LINE = 40.0
_LETTERS_AT_LEAST = 10.0  # a short line is held


def estimated_starts(sections: Sequence[Section], seconds: float) -> tuple[float, ...]:
    """When each section begins in a sound of `seconds`.

    The codes are asked for with the lyrics as a whole: each section's share of the song is taken to be its share of
    the lines, by their length.
    """
    weights = [_lines(section) for section in sections]
    starts = accumulate(weights, initial=0.0)
    return tuple(start * seconds / sum(weights) for _, start in zip(sections, starts, strict=False))


def estimated_windows(
    window: SectionWindow, sections: Sequence[Section], seconds: float
) -> tuple[tuple[float, float], ...]:
    """What a section's name means, about, in whole seconds where the sound has them; none for no section."""
    starts = (*estimated_starts(sections, seconds), seconds)
    places = sections_named(window.tag, window.number, sections)
    return tuple(_whole(starts[place], starts[place + 1], seconds) for place in places)


def window_inside(seconds: float | None) -> tuple[float, float]:
    """Some window of a sound of that length, to show how one is written; None is a song of any length."""
    seconds = MIN_DURATION if seconds is None else seconds
    return _whole(seconds / 2, seconds * 3 / 4, seconds)


def _whole(start: float, end: float, seconds: float) -> tuple[float, float]:
    """Outwards to whole seconds, within the sound; of a sound too short for them, to hundredths."""
    first, last = float(floor(start)), min(float(ceil(end)), float(floor(seconds)))
    return (first, last) if first < last else (floor(start * 100) / 100, floor(end * 100) / 100)


def _lines(section: Section) -> float:
    """About how many lines of usual length a section lasts."""
    words = [line for line in section.lines if line.strip()]
    if not words:
        return _LINES_WITHOUT_WORDS
    return _LINES_OF_A_TAG + sum(max(len(line), _LETTERS_AT_LEAST) / _LETTERS_OF_A_LINE for line in words)
