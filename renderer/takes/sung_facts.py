"""Timestamps -> the little of them that a page of thousands of takes asks for, as a take's record keeps it, and back.

Reading a song's timestamps themselves takes milliseconds, and a page shows thousands of songs' takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from renderer.artifacts import Timestamps
from renderer.models.family import stored_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.artifacts import TimedLine, TimedWord
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord

TICKS = 100  # a second: what words are timed in, finer than the model's 25 frames
_ASKED_AGAIN = 4  # texts: of a take its page asks for words, and then for scores
_TAG, _SUNG, _SKIPPED = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class SungLine:
    """A line of the lyrics, tags among them; see `artifacts.TimedLine`."""

    row: int
    start: float
    end: float
    is_tag: bool = False
    is_skipped: bool = False
    text: str = ""
    """Of a skipped line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SungFacts:
    """When a take's lyrics are sung."""

    seconds: float
    """Of sound."""
    score: float
    """The lyric alignment score."""
    lines: tuple[SungLine, ...]
    words: str
    """JSON: of each line that isn't a tag its row, and its words."""
    times: str
    """JSON: of each of those words how much later than the one before it begins, and how long it lasts, in ticks."""


def sung_facts_text(timestamps: Timestamps) -> str:
    """As a record keeps it."""
    sung = [line for line in timestamps.lines if not line.is_tag]
    words = [[line.row, *(word.text for word in line.words)] for line in sung]
    lines = [_line(line) for line in timestamps.lines]
    told = [
        timestamps.seconds,
        timestamps.dit_score,
        lines,
        words,
        _times(word for line in sung for word in line.words),
    ]
    return _json(told)


def sung_facts(record: TakeRecord, store: Store) -> SungFacts | None:
    """What its record tells, else its timestamps; None where there are none."""
    text = record.page.sung
    if not text and (timestamps := _timestamps(record, store)):
        text = sung_facts_text(timestamps)
    return read_sung_facts(text) if text else None


@lru_cache(_ASKED_AGAIN)
def read_sung_facts(text: str) -> SungFacts | None:
    """What `sung_facts_text` wrote; None for anything else."""
    try:
        seconds, score, lines, words, times = json.loads(text)
        return SungFacts(
            seconds=seconds,
            score=score,
            lines=tuple(
                SungLine(row=row, start=start, end=end, is_tag=kind == _TAG, is_skipped=kind == _SKIPPED, text=text)
                for row, kind, start, end, text in lines
            ),
            words=_json(words),
            times=_json(times),
        )
    except (ValueError, TypeError):
        return None


def _line(line: TimedLine) -> list[int | float | str]:
    kind = _TAG if line.is_tag else _SKIPPED if line.is_skipped else _SUNG
    return [line.row, kind, round(line.start, 2), round(line.end, 2), line.text if kind == _SKIPPED else ""]


def _times(words: Iterable[TimedWord]) -> list[int]:
    """Differences are small numbers, which pack well."""
    spans = [(round(word.start * TICKS), round(word.end * TICKS)) for word in words]
    later = (after - before for before, after in pairwise((0, *(start for start, _ in spans))))
    return [number for late, (start, end) in zip(later, spans, strict=True) for number in (late, max(0, end - start))]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _timestamps(record: TakeRecord, store: Store) -> Timestamps | None:
    kinds = stored_kinds()
    stored = (store.get(stage, key) for stage, key in record.keys.items() if kinds.get(stage) is Timestamps)
    return next((one for one in stored if isinstance(one, Timestamps)), None)
