"""Two values of a setting -> what is told of them in a line: both, or of long texts the words that differ."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import takewhile, zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARKS = {"same": "{}", "dropped": "[-{}-]", "added": "{{+{}+}}"}
"""Round words that differ, as git has them."""
_TOLD_LENGTH = 24
_BESIDE = 2  # words that are alike, on each side of those that aren't
_MOST_PLACES = 2


def differing(old: object, new: object) -> str:
    """`3.0 → 2.0`; of long texts, of the first line that differs: `… clean electric [-guitar-] {+piano+}`."""
    if not (isinstance(old, str) and isinstance(new, str)):
        return _arrow(old, new)
    lines = zip_longest(old.splitlines(), new.splitlines(), fillvalue="")
    before, now = next((pair for pair in lines if pair[0] != pair[1]), (old, new))
    if not (before and now) or max(len(before), len(now)) <= _TOLD_LENGTH:
        return _arrow(before, now)
    if " " not in before or " " not in now:
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))
        return f"{_from(before, alike)} → {_from(now, alike)}"
    return _marked(before.split(), now.split())


def _arrow(old: object, new: object) -> str:
    return f"{_short(old)} → {_short(new)}"


def _short(value: object) -> str:
    text = "none" if value is None or value == "" else str(value)
    return text if len(text) <= _TOLD_LENGTH else f"{text[:_TOLD_LENGTH]}…"


def _from(text: str, at: int) -> str:
    """A path or a digest from just before where it differs."""
    start = max(0, at - _TOLD_LENGTH // 3)
    return f"…{_short(text[start:])}" if start and len(text) > _TOLD_LENGTH else _short(text)


def _marked(before: Sequence[str], now: Sequence[str]) -> str:
    """The words that differ between those beside them; `…` for the rest, and behind the first places."""
    steps = SequenceMatcher(None, before, now, autojunk=False).get_opcodes()
    places = [number for number, step in enumerate(steps) if step[0] != "equal"]
    last = places[_MOST_PLACES - 1] if len(places) > _MOST_PLACES else len(steps) - 1
    told: list[str] = []
    for number, (kind, start, end, new_start, new_end) in enumerate(steps[: last + 1]):
        if kind == "equal":
            told += excerpt_of(before[start:end], is_first=number == 0, is_last=number == len(steps) - 1)
            continue
        told += [MARKS["dropped"].format(_cut(before[start:end]))] if end > start else []
        told += [MARKS["added"].format(_cut(now[new_start:new_end]))] if new_end > new_start else []
    return " ".join((*told, "…") if last < len(steps) - 1 else told)


def excerpt_of(words: Sequence[str], *, is_first: bool, is_last: bool) -> Iterator[str]:
    """Of words that are alike, those beside the ones that aren't, which stand on each side but at the text's ends."""
    left, right = (0 if is_first else _BESIDE), (0 if is_last else _BESIDE)
    if len(words) <= left + right:
        yield from words
        return
    yield from (*words[:left], "…", *words[len(words) - right :])


def _cut(words: Sequence[str]) -> str:
    """No more of what was written anew than of any value; whole words."""
    text = " ".join(words)
    return text if len(text) <= _TOLD_LENGTH else f"{text[:_TOLD_LENGTH].rpartition(' ')[0] or text[:_TOLD_LENGTH]} …"
