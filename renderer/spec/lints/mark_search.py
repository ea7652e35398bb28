"""Lyrics -> the lines with chords, times, repeats, labels and markup in them. Imported only where there may be any."""

from __future__ import annotations

import re
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from renderer.spec.headings import CHORD, LRC_FIELD
from renderer.spec.lints.mark_forms import (
    ANY_MARKUP,
    BARE_TIME,
    BARS,
    BRACKETED,
    CAPO,
    CHATTER,
    CHORD_PRO,
    CHORD_START,
    FIELD,
    FILLERS,
    LYRIC_HEAD,
    MARKUP,
    PRONOUN,
    PUNCTUATION,
    REPEAT_AT_END,
    REPEAT_SIGNS,
    REPEAT_VERBS,
    REPEAT_WORD,
    SOLFEGE,
    TABLATURE,
    TIMES_BEFORE,
    TIMES_INSIDE,
    TITLE_TAG,
    TOKENS,
    VOICE,
)
from renderer.spec.tags import names_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from renderer.spec.lints.subject import Subject

Mark = tuple[int, str]
"""A line's number in the lyrics, and what of it is meant."""

MIN_SPACED = 5  # letters that stand alone, one behind the other, which no lyrics have by chance
FIRST_LINES = 3  # where a language model says that it has written a song
MAX_SPELT = 9  # letters
MAX_INSTRUCTION = 60  # characters
MOSTLY = 0.6  # of a line's words
MIN_CHORDS = 2
MIN_TIMES = 2  # lines that begin with a bare time of day


def is_lyric_head(text: str) -> bool:
    """Whether a line or a tag says no more than that lyrics follow: `# Lyric`, `[Lyrics]`."""
    return LYRIC_HEAD.fullmatch(text) is not None or TITLE_TAG.fullmatch(text) is not None


def labels(subject: Subject) -> Iterator[Mark]:
    """Lines that begin with who sings."""
    found = list(_matches(subject.sung_lines, VOICE.match))
    # `All: the things we said` is a line of a song; twice, or alone in its line, it is a label.
    if len(found) > 1 or not all(
        PRONOUN.match(text) and subject.lines[number].strip() != text.strip() for number, text in found
    ):
        yield from found


def markup(subject: Subject) -> Iterator[tuple[str, str, tuple[Mark, ...]]]:
    """Each kind of markup with what to do about it, and its lines; lines that are something else are left out."""
    if not ANY_MARKUP.search(subject.lyrics):
        return
    others = (*fields(subject), *chords(subject), *_conflicts(subject), *labels(subject))
    told = {number for number, _ in others}
    lines = [(number, line) for number, line in subject.sung_lines if number not in told]
    for name, form, advice in MARKUP:
        yield name, advice, tuple(_matches(lines, form.search))


def spaced(subject: Subject) -> Iterator[Mark]:
    """Lines written letter by letter."""
    yield from ((number, line) for number, line in subject.sung_lines if _is_spaced(line))


def _matches(lines: Iterable[Mark], match: Callable[[str], re.Match[str] | None]) -> Iterator[Mark]:
    for number, line in lines:
        if found := match(line):
            yield number, found[0]


def chords(subject: Subject) -> Iterator[Mark]:
    """Lines of chords, and lines with chords among the words."""
    lines = subject.sung_lines
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


def times(subject: Subject) -> Iterator[Mark]:
    """Lines with times of a lyric or subtitle file."""
    bare = []
    for number, line in subject.sung_lines:
        inside = line.strip().strip("[]") if line.lstrip().startswith("[") else ""
        found = TIMES_BEFORE.match(line) or TIMES_INSIDE.search(line)
        if found or (LRC_FIELD.fullmatch(inside) and "]" in line):
            yield number, found[0] if found else line
        elif BARE_TIME.match(line):
            bare.append((number, line))
    if len(bare) >= MIN_TIMES:
        yield from bare


def repeats(subject: Subject) -> Iterator[Mark]:
    """Lines that tell the singer to sing something again."""
    for number, line in subject.sung_lines:
        if found := REPEAT_AT_END.search(line):
            yield number, found[0]
        elif len(line) <= MAX_INSTRUCTION and _is_instruction(line):
            yield number, line
    for number, heading in subject.headings:
        if _is_instruction(f"[{heading.section.tag}]"):
            yield number, subject.lines[number]


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


def fields(subject: Subject) -> Iterator[Mark]:
    """Lines that describe the song."""
    for number, line in subject.sung_lines:
        head = line.strip()
        if ((":" in line or "\uff1a" in line) and FIELD.fullmatch(line)) or (
            (head[:1] in "#*_=<[" or head[-1:] in ":\uff1a") and is_lyric_head(line)
        ):
            yield number, line
    for number, found in subject.headings:
        if is_lyric_head(found.section.tag) and found.section.number is None:
            yield number, subject.lines[number]
    yield from ((number, line) for number, line in subject.sung_lines[:FIRST_LINES] if CHATTER.fullmatch(line.strip()))


def _conflicts(subject: Subject) -> Iterator[Mark]:
    if "<<<<<<<" in subject.lyrics or ">>>>>>>" in subject.lyrics:
        yield from (
            (number, line)
            for number, line in subject.sung_lines
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
