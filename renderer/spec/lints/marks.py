"""Lints of what stands in the lyrics for readers, not for singers: chords, times, repeats, labels, markup."""

from __future__ import annotations

import re
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from renderer.spec.findings import LyricsFinding
from renderer.spec.headings import CHORD, LRC_FIELD
from renderer.spec.lints.mark_forms import (
    ANY_MARKUP,
    BARE_TIME,
    BARS,
    BRACKETED,
    CAPO,
    CHORD_PRO,
    CHORD_START,
    FIELD,
    FILLERS,
    LYRIC_HEAD,
    MARKUP,
    MIN_SPACED,
    PUNCTUATION,
    REPEAT_AT_END,
    REPEAT_SIGNS,
    REPEAT_VERBS,
    REPEAT_WORD,
    SOLFEGE,
    TABLATURE,
    TIMES_BEFORE,
    TIMES_INSIDE,
    TOKENS,
    VOICE,
)
from renderer.spec.tags import names_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from renderer.spec.lints.subject import Subject

Mark = tuple[int, str]
"""A line's number in the lyrics, and what of it is meant."""

MAX_SPELT = 9  # letters
MAX_INSTRUCTION = 60  # characters
MOSTLY = 0.6  # of a line's words
MIN_CHORDS = 2
MIN_TIMES = 2  # lines that begin with a bare time of day


def chord_marks(subject: Subject) -> Iterator[LyricsFinding]:
    """Chords above or among the words."""
    yield from _once(
        _chords(subject),
        "would be sung: chords are words to ACE-Step",
        "it takes none; the key belongs to `keyscale`",
        "take the chords out",
    )


def time_marks(subject: Subject) -> Iterator[LyricsFinding]:
    """Times of a lyric or subtitle file."""
    yield from _once(
        _times(subject),
        "would be sung: a mark of a lyric file with times",
        "ACE-Step places the words itself",
        "take the marks out",
    )


def repeat_marks(subject: Subject) -> Iterator[LyricsFinding]:
    """A word to the singer to sing something again."""
    yield from _once(
        _repeats(subject),
        "would be sung, and nothing is repeated",
        "ACE-Step sings what is written",
        "write the lines again",
    )


def singer_labels(subject: Subject) -> Iterator[LyricsFinding]:
    """Who sings, as in a script of a play."""
    yield from _once(
        _matches(_lines(subject), VOICE.match),
        "would be sung: a label for a reader",
        "who sings is said in the tag",
        "write it into the section's tag, like `[verse - female]`",
    )


def header_lines(subject: Subject) -> Iterator[LyricsFinding]:
    """What describes the song, where its words should be."""
    yield from _once(
        _fields(subject), "would be sung: it describes the song", "all that stands in the lyrics is sent as words",
        "take it out; style belongs to `caption`, tempo and key to `[metas]`",
    )  # fmt: skip


def markup(subject: Subject) -> Iterator[LyricsFinding]:
    """Marks of a web page, of Markdown or of a song sheet."""
    if not ANY_MARKUP.search(subject.lyrics):
        return
    labels = _matches(_lines(subject), VOICE.match)
    fields = {number for number, _ in (*_fields(subject), *_chords(subject), *_conflicts(subject), *labels)}
    lines = [(number, line) for number, line in _lines(subject) if number not in fields]
    for name, form, advice in MARKUP:
        yield from _once(
            _matches(lines, form.search), f"would be sent: {name}", "it may be sung, or spoil the line", advice
        )


def spaced_letters(subject: Subject) -> Iterator[LyricsFinding]:
    """Words written letter by letter."""
    marks = ((number, line) for number, line in _lines(subject) if _is_spaced(line))
    yield from _once(
        marks,
        "is written letter by letter",
        "the model reads each as a word of its own; words are skipped",
        "write the words without the blanks",
    )


def _once(marks: Iterable[Mark], message: str, why: str, advice: str) -> Iterator[LyricsFinding]:
    """One finding for all of a kind: at the first, with how many lines more there are."""
    found = dict(marks)
    if not found:
        return
    number, text = next(iter(found.items()))
    others = len(found) - 1
    more = f", and {others} more line{'s'[: others != 1]}" if others else ""
    shown = text.strip()
    yield LyricsFinding(line=number, text=shown, message=f"`{_short(shown)}` {message}{more}", why=why, help=advice)


def is_lyric_head(text: str) -> bool:
    """Whether a line or a tag says no more than that lyrics follow: `# Lyric`, `[Lyrics]`."""
    return LYRIC_HEAD.fullmatch(text) is not None


def _lines(subject: Subject) -> tuple[Mark, ...]:
    """The lines to look through; none where no text like this has anything to find."""
    return subject.sung_lines if subject.may_have_marks else ()


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - the excerpt shows the rest


def _matches(lines: Iterable[Mark], match: Callable[[str], re.Match[str] | None]) -> Iterator[Mark]:
    for number, line in lines:
        if found := match(line):
            yield number, found[0]


def _chords(subject: Subject) -> Iterator[Mark]:
    lines = _lines(subject)
    inside = [(number, mark) for number, line in lines for mark in BRACKETED.findall(line) if CHORD.fullmatch(mark)]
    if len(inside) >= MIN_CHORDS or any(len(mark) > 1 for _, mark in inside):
        yield from {number: f"[{mark}]" for number, mark in reversed(inside)}.items()
    short = [(number, line) for number, line in lines if CHORD_START.match(line)]
    yield from ((number, line) for number, line in short if _is_sheet_line(line))
    plain = [(number, line) for number, line in short if _is_chord_line(line)]
    if len(plain) >= MIN_CHORDS or any(_is_surely_chords(line) for _, line in plain):
        yield from plain


def _is_sheet_line(line: str) -> bool:
    return any(form.fullmatch(line) for form in (CHORD_PRO, TABLATURE, CAPO))


def _is_chord_line(line: str) -> bool:
    """Whether all in it are chords: `Am  F  C  G`, `| Dm7 | G7 |`."""
    words = [word.strip("|()") for word in line.split()]
    named = [word for word in words if word and not BARS.fullmatch(word)]
    if named and all(map(CHORD.fullmatch, named)):
        return len(named[0]) > 1 if len(named) == 1 else not _is_alphabet(named)
    return len(named) >= MIN_CHORDS and all(map(SOLFEGE.fullmatch, named)) and any(word[-1] in "m7#" for word in named)


def _is_surely_chords(line: str) -> bool:
    """Whether it could be nothing else: several, with a mode, bars or wide gaps; `Am` alone may be a word."""
    words = [word.strip("|()") for word in line.split()]
    told = any(len(word) > 1 for word in words) or "|" in line or "   " in line.strip()
    return told and (len(words) > 1 or re.search(r"[#\d/]", line) is not None)


def _is_alphabet(words: list[str]) -> bool:
    return len(words) > MIN_CHORDS and all(ord(after[0]) - ord(one[0]) == 1 for one, after in pairwise(words))


def _times(subject: Subject) -> Iterator[Mark]:
    bare = []
    for number, line in _lines(subject):
        inside = line.strip().strip("[]") if line.lstrip().startswith("[") else ""
        found = TIMES_BEFORE.match(line) or TIMES_INSIDE.search(line)
        if found or (LRC_FIELD.fullmatch(inside) and "]" in line):
            yield number, found[0] if found else line
        elif BARE_TIME.match(line):
            bare.append((number, line))
    if len(bare) >= MIN_TIMES:
        yield from bare


def _repeats(subject: Subject) -> Iterator[Mark]:
    for number, line in _lines(subject):
        if found := REPEAT_AT_END.search(line):
            yield number, found[0]
        elif len(line) <= MAX_INSTRUCTION and _is_instruction(line):
            yield number, line


def _is_instruction(line: str) -> bool:
    """Whether all of it tells to sing something again: `(repeat chorus x2)`, `（重复副歌）`, not `repeat after me`."""
    bracketed = line.lstrip()[:1] in "(\uff08[{*"
    if REPEAT_SIGNS.search(line):
        return bracketed
    if not REPEAT_WORD.search(line):
        return False
    words = [word.casefold() for word in TOKENS.findall(line)]
    rest = [
        word
        for word in words
        if word not in REPEAT_VERBS | FILLERS and not re.fullmatch(r"[x\u00d7]?\d+[x\u00d7]?", word)
    ]
    if len(rest) == len(words) or not REPEAT_VERBS.intersection(words) or (words == ["again"]):
        return False
    return all(map(names_part, rest)) and (bracketed or bool(rest) or len(words) > 1)


def _fields(subject: Subject) -> Iterator[Mark]:
    for number, line in _lines(subject):
        head = line.strip()
        if ((":" in line or "\uff1a" in line) and FIELD.fullmatch(line)) or (
            (head[:1] in "#*_=<[" or head[-1:] in ":\uff1a") and is_lyric_head(line)
        ):
            yield number, line
    for number, found in subject.headings:
        if is_lyric_head(found.section.tag) and found.section.number is None:
            yield number, subject.lines[number]


def _conflicts(subject: Subject) -> Iterator[Mark]:
    if "<<<<<<<" in subject.lyrics or ">>>>>>>" in subject.lyrics:
        yield from (
            (number, line)
            for number, line in _lines(subject)
            if line[:7] in {"<<<<<<<", "=======", ">>>>>>>", "|||||||"}
        )


def _is_spaced(line: str) -> bool:
    """Whether most of the line's words are single letters, and neither one letter again and again nor the alphabet."""
    if len(line) < MIN_SPACED * 2 - 1 or len(words := line.split()) < MIN_SPACED or len(line) > len(words) * 4:
        return False
    words = [word for word in PUNCTUATION.split(line) if word]
    runs = [list(run) for single, run in groupby(words, _is_letter) if single]
    letters = max(runs, key=len, default=[])
    enough = len(letters) >= MIN_SPACED and len(letters) >= MOSTLY * len(words)
    return enough and len(set(letters)) >= MIN_SPACED - 2 and not _is_alphabet(letters) and not _is_spelt(line, letters)


def _is_spelt(line: str, letters: list[str]) -> bool:
    """Whether a word is spelt out, to be sung so: one word, in capitals."""
    return len(letters) <= MAX_SPELT and "".join(letters).isupper() and "  " not in line.strip()


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isalpha()
