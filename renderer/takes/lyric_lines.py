"""A finished take's record -> the lines that are to be sung in it, and in which language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.artifacts import CotMetas
from renderer.spec.lyrics import parse
from renderer.takes.measure.word_errors import LyricLine, units
from renderer.takes.sung_facts import sung_facts

if TYPE_CHECKING:
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord

SINGING_TRACKS = frozenset({"vocals", "backing_vocals"})
"""Of those that an edit can be: see `facts.TRACKS`."""


def lyric_lines(record: TakeRecord, store: Store) -> tuple[LyricLine, ...]:
    """What stands below the headings of its lyrics and holds words, with times where it has timestamps.

    Nothing of an instrumental, and of an edit that is a track which nobody sings.
    """
    track = (record.recipe.edit or {}).get("track_name")
    lyrics = record.recipe.spec.get("lyrics")
    if not isinstance(lyrics, str) or (track is not None and track not in SINGING_TRACKS):
        return ()
    facts = sung_facts(record, store)
    times = {line.row: (line.start, line.end) for line in facts.lines} if facts else {}
    rows = ((section.first + place, text) for section in parse(lyrics) for place, text in enumerate(section.lines))
    lines = ((row, text, *times.get(row, (None, None))) for row, text in rows if units(text))
    return tuple(LyricLine(row=row, text=text, start=start, end=end) for row, text, start, end in lines)


def sung_language(record: TakeRecord) -> str | None:
    """As it was asked when it was made, else as the LM decided; None where neither says."""
    said = (record.recipe.spec.get("metas") or {}).get("vocal_language")
    language = said or (record.recipe.decided or CotMetas()).language
    return None if language == "unknown" else language
