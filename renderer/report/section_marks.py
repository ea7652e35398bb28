"""Where a song's sections begin in its sound, estimated from the layout of its lyrics until somebody measures it."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from renderer.report.values import SectionMark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.song import Section

MIN_SECTIONS = 2
_LINES_OF_A_TAG = 1.0  # a heading takes a breath of its own
_LINES_WITHOUT_WORDS = 4.0  # an intro, a solo or a break is about as long as four sung lines
_LETTERS_OF_A_LINE = 40.0
_LETTERS_AT_LEAST = 10.0  # a short line is held


def estimated_marks(sections: Sequence[Section], seconds: float) -> tuple[SectionMark, ...]:
    """The tagged sections, in a sound of `seconds`; nothing where there is nothing to tell apart.

    The codes are asked for with the lyrics as a whole: each section's share of the song is taken to be its share of
    the lines, by their length.
    """
    if sum(bool(section.tag) for section in sections) < MIN_SECTIONS or seconds <= 0:
        return ()
    weights = [_lines(section) for section in sections]
    starts = accumulate(weights, initial=0.0)
    scale = seconds / sum(weights)
    return tuple(
        SectionMark(label=section.numbered_tag, start_seconds=round(start * scale, 2))
        for section, start in zip(sections, starts, strict=False)
        if section.tag
    )


def _lines(section: Section) -> float:
    """About how many lines of usual length a section lasts."""
    words = [line for line in section.lines if line.strip()]
    if not words:
        return _LINES_WITHOUT_WORDS
    return _LINES_OF_A_TAG + sum(max(len(line), _LETTERS_AT_LEAST) / _LETTERS_OF_A_LINE for line in words)
