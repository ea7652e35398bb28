"""How a take sings its lyrics -> marks, times and scores, and what to do about lines that seem to be missing."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from renderer.facts import MAX_SEED
from renderer.report.section_marks import MIN_SECTIONS
from renderer.report.values import SectionMark, SkippedLine
from renderer.spec.section_windows import section_windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.plan.jobs import TakePlan
    from renderer.song import Section, Song
    from renderer.takes.sung_facts import SungFacts

LEAST_WINDOW_SECONDS = 4.0  # about a line of a slow song: less leaves the model no room to sing one
_REACH_SECONDS = 8.0  # around a skipped line: what is sung before or after it may be a solo away
_NUM_SEEDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sung:
    """How a take sings its lyrics, as far as somebody looked."""

    score: float | None = None
    marks: tuple[SectionMark, ...] = ()
    """Nothing where nobody looked."""
    words: str = ""
    times: str = ""
    """See `SungFacts`; empty where nobody looked."""
    skipped: tuple[SkippedLine, ...] = ()
    advice: str = ""
    """A command that may mend what is skipped."""


def sung(facts: SungFacts | None, plan: TakePlan, *, is_in_spec: bool) -> Sung:
    """Of the version that plays, as far as somebody looked; `is_in_spec` is whether the take's spec asks for it."""
    if facts is None:
        return Sung()
    return Sung(
        score=facts.score,
        marks=measured_marks(facts, plan.take.song.sections),
        words=facts.words,
        times=facts.times,
        skipped=tuple(
            SkippedLine(text=one.text, start_seconds=one.start, row=one.row) for one in facts.lines if one.is_skipped
        ),
        advice=advice(facts, plan.name if is_in_spec else None, plan.take.song),
    )


def measured_marks(facts: SungFacts, sections: Sequence[Section]) -> tuple[SectionMark, ...]:
    """Where the tagged sections begin, as it was measured; nothing where there is nothing to tell apart."""
    found = [one for one in section_windows(facts, sections) if one.tag]
    if len(found) < MIN_SECTIONS:
        return ()
    return tuple(
        SectionMark(label=sections[one.place].numbered_tag, start_seconds=round(one.start, 2)) for one in found
    )


def advice(facts: SungFacts, take: str | None, song: Song) -> str:
    """The command that makes what is skipped anew, or, where half of the song is, other takes; empty for nothing.

    `take` is None for one that no spec asks for, of which there are no edits.
    """
    heard = [line for line in facts.lines if not line.is_tag]
    num_skipped = sum(line.is_skipped for line in heard)
    if not num_skipped:
        return ""
    if take is None or 2 * num_skipped >= len(heard):
        first = max(song.seeds) + 1
        first = first if first + _NUM_SEEDS <= MAX_SEED else 1
        return f"renderer render {shlex.quote(song.name)} --seeds {first}..{first + _NUM_SEEDS - 1}"
    windows = " ".join(f"--at {start:g}..{end:g}" for start, end in windows_to_mend(facts))
    return f"renderer fix {shlex.quote(take)} {windows}"


def windows_to_mend(facts: SungFacts) -> Iterator[tuple[float, float]]:
    """For each run of skipped lines, from the end of what is sung before it to the start of what is sung after it."""
    lines, place = [line for line in facts.lines if not line.is_tag], 0
    for is_skipped, run in groupby(lines, key=lambda line: line.is_skipped):
        own = list(run)
        if is_skipped:
            start = lines[place - 1].end if place else own[0].start
            behind = place + len(own)
            end = lines[behind].start if behind < len(lines) else own[-1].end
            near = max(start, own[0].start - _REACH_SECONDS), min(end, own[-1].end + _REACH_SECONDS)
            yield _wide_enough(*near, facts.seconds)
        place += len(own)


def _wide_enough(start: float, end: float, seconds: float) -> tuple[float, float]:
    """In tenths, and no narrower than LEAST_WINDOW_SECONDS where the sound is as long as that."""
    missing = max(0.0, LEAST_WINDOW_SECONDS - (end - start)) / 2
    low = max(0.0, min(start - missing, seconds - LEAST_WINDOW_SECONDS))
    high = min(seconds, max(end + missing, low + LEAST_WINDOW_SECONDS))
    return math.floor(low * 10) / 10, min(math.ceil(high * 10) / 10, seconds)
