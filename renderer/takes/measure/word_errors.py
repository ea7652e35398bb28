"""Lines of lyrics and a transcript of their take -> how many words of each line aren't as written. Pure.

The count is the usual word error rate: words in place of others, missing ones and ones too many, as few as an alignment
of all lyrics with the whole transcript allows. Among alignments with as few, words belong to lines that are sung when
they are: so a chorus that is left out is told from its like that is sung.
"""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from renderer.takes.measure.edit_distance import align

STRAY_SECONDS = 1.5
"""A word too many that is further from every line belongs to none: recognisers hear words in solos."""
FAR_SECONDS = 60.0
"""From a line: where a word is, further away, says no more of which line it belongs to."""
LEAST_ERRORS = 2
"""Of a line that is told to be another: of a short one a single word says little."""
# Without spaces between words: a sign is a word. Thai and Lao, Burmese, Khmer, kana, Han.
_SIGN = (
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f]"
)
_WORD = re.compile(rf"{_SIGN}|(?:(?!{_SIGN})\S)+")
_NOT_SUNG = re.compile(r"\[[^\[\]]*\]")
_APOSTROPHES = "'\u2019\u2018\u02bc`\u00b4"
# Vowel points, and the stroke that stretches a word: Hebrew and Arabic are mostly written without.
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06ed]"
)
_Span: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LyricLine:
    """A line that is to be sung."""

    row: int
    """The line of the lyrics it is, from 0."""
    text: str
    start: float | None = None
    """Seconds; None where no timestamps tell."""
    end: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribedWord:
    """A word as a recogniser writes it, with the space before it."""

    text: str
    start: float
    """Seconds."""
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineErrors:
    """A line of the lyrics, beside what a recogniser makes of its sound."""

    row: int
    text: str
    seconds: float | None = None
    """When it is sung; None where neither timestamps nor a word of it tell."""
    num_words: int
    num_errors: int
    transcript: str
    """Empty for nothing."""

    @property
    def is_misheard(self) -> bool:
        """Whether half of it or more isn't as written."""
        return self.num_errors >= LEAST_ERRORS and 2 * self.num_errors >= self.num_words


def units(text: str) -> tuple[str, ...]:
    """A text's words as they are compared: without capitals, punctuation, vowel points, and what stands in `[]`.

    Where words aren't parted by spaces, its signs.
    """
    plain = unicodedata.normalize("NFKC", _NOT_SUNG.sub(" ", text)).casefold()
    return tuple(_WORD.findall("".join(map(_letter, _POINTS.sub("", plain)))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """A word of the lyrics beside one of the transcript, or one of the two alone."""

    line: int | None
    """Its place; None for a word too many."""
    word: int | None
    """The transcript's, its place; None for a missing one."""
    is_wrong: bool


def line_errors(
    lines: Sequence[LyricLine], transcript: Sequence[TranscribedWord]
) -> tuple[tuple[LineErrors, ...], int]:
    """Each line's errors, and how many there are in all, words that belong to no line included."""
    compared = tuple(_compared(lines, transcript))
    by_line: list[list[_Compared]] = [[one for one in compared if one.line == at] for at in range(len(lines))]
    spans = [_span(line, _words(own, transcript)) for line, own in zip(lines, by_line, strict=True)]
    for extra in (one for one in compared if one.line is None):
        near = _nearest(spans, *_words([extra], transcript))
        if near is not None:
            by_line[near].append(extra)
    found = (
        LineErrors(
            row=line.row,
            text=line.text.strip(),
            seconds=span[0] if span else None,
            num_words=len(units(line.text)),
            num_errors=sum(one.is_wrong for one in own),
            transcript="".join(word.text for word in _words(own, transcript)).strip(),
        )
        for line, span, own in zip(lines, spans, by_line, strict=True)
    )
    return tuple(found), sum(one.is_wrong for one in compared)


def _compared(lines: Sequence[LyricLine], transcript: Sequence[TranscribedWord]) -> Iterator[_Compared]:
    reference, words = _placed(line.text for line in lines), _placed(word.text for word in transcript)
    middles = [(transcript[place].start + transcript[place].end) / 2 for place, _ in words]
    apart = [[_apart(line, middle) for middle in middles] for line in lines]
    pairs = align([one for _, one in reference], [one for _, one in words], [apart[at] for at, _ in reference])
    for here, there in pairs:
        line, wanted = (None, "") if here is None else reference[here]
        word, written = (None, "") if there is None else words[there]
        yield _Compared(line=line, word=word, is_wrong=wanted != written)


def _placed(texts: Iterable[str]) -> list[tuple[int, str]]:
    """The words of texts, each with the place of its text."""
    return [(place, word) for place, text in enumerate(texts) for word in units(text)]


def _words(compared: Iterable[_Compared], transcript: Sequence[TranscribedWord]) -> list[TranscribedWord]:
    """Those of the transcript, in its order; one that is compared sign by sign once."""
    return [transcript[place] for place in sorted({one.word for one in compared if one.word is not None})]


def _letter(sign: str) -> str:
    if unicodedata.category(sign)[0] in "LNM":
        return sign
    return "" if sign in _APOSTROPHES else " "


def _apart(line: LyricLine, seconds: float) -> float:
    """From 0, while a line is sung or where nobody knows when, to 1, a minute before or after it."""
    if line.start is None or line.end is None:
        return 0.0
    return min(1.0, _distance((line.start, line.end), seconds) / FAR_SECONDS)


def _distance(span: _Span, seconds: float) -> float:
    return max(0.0, span[0] - seconds, seconds - span[1])


def _span(line: LyricLine, words: Sequence[TranscribedWord]) -> _Span | None:
    """When a line is sung: as timestamps tell, else as its words in the transcript do."""
    if line.start is not None and line.end is not None:
        return line.start, line.end
    return (words[0].start, max(word.end for word in words)) if words else None


def _nearest(spans: Sequence[_Span | None], word: TranscribedWord) -> int | None:
    """The line that a word too many is sung in, or near to."""
    middle = (word.start + word.end) / 2
    distance, place = min(
        ((_distance(span, middle), at) for at, span in enumerate(spans) if span), default=(STRAY_SECONDS + 1, 0)
    )
    return place if distance <= STRAY_SECONDS else None
