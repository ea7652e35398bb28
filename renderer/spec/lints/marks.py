"""Lints of what stands in the lyrics for readers, not for singers: chords, times, repeats, labels, markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renderer.spec.findings import LyricsFinding
from renderer.spec.tags import TagKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from renderer.spec.lints.subject import Subject

_REPEATS = re.compile("repe|repit|wiederhol|повтор|tekrar|重复|反复|反復|繰り返|반복", re.IGNORECASE)


def chord_marks(subject: Subject) -> Iterator[LyricsFinding]:
    """Chords above or among the words."""
    if search := _search(subject):
        yield from _once(
            search.chords(subject),
            "would be sung: chords are words to ACE-Step",
            "it takes none; the key belongs to `keyscale`",
            "take the chords out",
        )


def time_marks(subject: Subject) -> Iterator[LyricsFinding]:
    """Times of a lyric or subtitle file."""
    if search := _search(subject):
        yield from _once(
            search.times(subject),
            "would be sung: a mark of a lyric file with times",
            "ACE-Step places the words itself",
            "take the marks out",
        )


def repeat_marks(subject: Subject) -> Iterator[LyricsFinding]:
    """A word to the singer to sing something again."""
    in_tags = any(_REPEATS.search(found.section.tag) for _, found in subject.headings)
    if search := _search(subject, worthwhile=in_tags):
        yield from _once(
            search.repeats(subject),
            "would be sung, and nothing is repeated",
            "ACE-Step sings what is written",
            "write the lines again",
        )


def singer_labels(subject: Subject) -> Iterator[LyricsFinding]:
    """Who sings, as in a script of a play."""
    if search := _search(subject):
        yield from _once(
            search.labels(subject),
            "would be sung: a label for a reader",
            "who sings is said in the tag",
            "write it into the section's tag, like `[verse - female]`",
        )


def header_lines(subject: Subject) -> Iterator[LyricsFinding]:
    """What describes the song, where its words should be."""
    odd_tags = any(kind_of(found.section.tag) is TagKind.UNKNOWN for _, found in subject.headings)
    if search := _search(subject, worthwhile=odd_tags):
        yield from _once(
            search.fields(subject),
            "would be sung: it describes the song",
            "all that stands in the lyrics is sent as words",
            "take it out; style belongs to `caption`, tempo and key to `[metas]`",
        )


def markup(subject: Subject) -> Iterator[LyricsFinding]:
    """Marks of a web page, of Markdown or of a song sheet."""
    if search := _search(subject):
        for name, advice, marks in search.markup(subject):
            yield from _once(marks, f"would be sent: {name}", "it may be sung, or spoil the line", advice)


def spaced_letters(subject: Subject) -> Iterator[LyricsFinding]:
    """Words written letter by letter."""
    if search := _search(subject):
        yield from _once(
            search.spaced(subject),
            "is written letter by letter",
            "the model reads each as a word of its own; words are skipped",
            "write the words without the blanks",
        )


def _search(subject: Subject, *, worthwhile: bool = False) -> ModuleType | None:
    """What looks through the lines; None where a text like this has nothing to find, as most haven't."""
    if not (worthwhile or subject.may_have_marks):
        return None
    from renderer.spec.lints import mark_search  # noqa: PLC0415 - its patterns take their time to be made

    return mark_search


def _once(marks: Iterable[tuple[int, str]], message: str, why: str, advice: str) -> Iterator[LyricsFinding]:
    """One finding for all of a kind: at the first, with how many lines more there are."""
    found = dict(marks)
    if not found:
        return
    number, text = next(iter(found.items()))
    others = len(found) - 1
    more = f", and {others} more line{'s'[: others != 1]}" if others else ""
    shown = text.strip()
    yield LyricsFinding(line=number, text=shown, message=f"`{_short(shown)}` {message}{more}", why=why, help=advice)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - the excerpt shows the rest
