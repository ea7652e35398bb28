"""Two texts -> what differs: a caption word by word, lyrics line by line, and within a line word by word."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING

from renderer.plan.differing import MARKS, excerpt_of
from renderer.report.compare import Words, changed_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDiff:
    """A line of lyrics beside the one it stands for."""

    kind: str
    """`same`, `changed`, `added` or `dropped`."""
    words: tuple[Words, ...]

    @property
    def text(self) -> str:
        """Its words with marks round those that differ: `through the [-kitchen-] {+garden+} door`."""
        return marked(self.words)

    @property
    def excerpt(self) -> str:
        """The same with no more than two words of what is alike on each side: `… through the [-kitchen-] …`."""
        return marked([_near(word, at, len(self.words)) for at, word in enumerate(self.words)])


def changed_lines(old: str, new: str) -> tuple[LineDiff, ...]:
    """Every line of two texts, those that stand for each other side by side."""
    before, now = old.split("\n"), new.split("\n")
    return tuple(_lines(SequenceMatcher(None, before, now, autojunk=False), before, now))


def marked(words: Sequence[Words]) -> str:
    """The words as one text, as git marks them: `[-dropped-]`, `{+added+}`."""
    told = (MARKS[word.kind].format(word.text.rstrip()) for word in words)
    return " ".join(one for one in told if one)


def _near(word: Words, at: int, count: int) -> Words:
    """Of words that are alike, those beside the ones that aren't."""
    own = word.text.split()
    near = list(excerpt_of(own, is_first=at == 0, is_last=at == count - 1))
    return word if word.kind != "same" or near == own else Words(text=" ".join(near), kind="same")


def _lines(matcher: SequenceMatcher[str], before: Sequence[str], now: Sequence[str]) -> Iterator[LineDiff]:
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            yield from (
                LineDiff(kind="same", words=(Words(text=line, kind="same"),)) for line in now[new_start:new_end]
            )
            continue
        for old, new in zip_longest(before[start:end], now[new_start:new_end]):
            yield _line(old, new)


def _line(old: str | None, new: str | None) -> LineDiff:
    if old is None or new is None:
        kind = "added" if old is None else "dropped"
        return LineDiff(kind=kind, words=(Words(text=old or new or "", kind=kind),))
    return LineDiff(kind="changed", words=changed_words(old, new))
