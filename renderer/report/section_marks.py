"""The page's marks of where sections begin, estimated from the layout of the lyrics until somebody measures it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.report.values import SectionMark
from renderer.spec.section_estimate import estimated_starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.song import Section

MIN_SECTIONS = 2


def estimated_marks(sections: Sequence[Section], seconds: float) -> tuple[SectionMark, ...]:
    """The tagged sections, in a sound of `seconds`; nothing where there is nothing to tell apart."""
    if sum(bool(section.tag) for section in sections) < MIN_SECTIONS or seconds <= 0:
        return ()
    return tuple(
        SectionMark(label=section.numbered_tag, start_seconds=round(start, 2))
        for section, start in zip(sections, estimated_starts(sections, seconds), strict=True)
        if section.tag
    )
