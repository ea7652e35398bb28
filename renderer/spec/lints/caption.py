"""Lints of the caption: its length, and what belongs into the metas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renderer.facts import MAX_TEXT_TOKENS
from renderer.spec.findings import Finding
from renderer.spec.languages import normalised_keyscale
from renderer.spec.script import num_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.lints.subject import Subject

MAX_CAPTION = 512  # characters. Source: ace-step/ACE-Step-1.5, docs/en
TEMPLATE_TOKENS = 62  # of instruction, headings and metas around the caption, about

_NUMBER = r"\d{2,3}(?:[.,]\d{1,2})?"
_TO = r"\s*(?:-|\u2013|\u2014|~|\u301c|to|and|bis|a|à|al|до|or|/)\s*"
_BPM = re.compile(
    rf"(?<![\d.])(?P<from>{_NUMBER})(?:{_TO}(?P<to>{_NUMBER}))?\s*\+?\s*-?(?:ish\s*)?(?:bpm\b|beats (?:per|a) minute\b)"
    rf"|\bbpm(?:\s+of)?\s*(?:[:=]|around|about|~)?\s*(?P<after>{_NUMBER})(?:{_TO}(?P<after_to>{_NUMBER}))?(?![\d.])",
    re.IGNORECASE,
)
WORTH_COUNTING = 0.6  # of a limit: estimates are no further off
_SAYS_TEMPO = re.compile("bpm|beats", re.IGNORECASE)
_ABOUT = re.compile(
    r"(?:around|about|approx(?:imately|\.)?|roughly|circa|ca\.?|near|~|\u2248|etwa|unos|environ|cerca de|около)\s*$",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?P<below>under|below|less than|slower than|(?:no|not) (?:faster|more) than|up to|max(?:imum)?|<)\s*$"
    r"|(?P<above>over|above|more than|faster than|(?:no|not) (?:slower|less) than|at least|from|>)\s*$",
    re.IGNORECASE,
)
_OTHER_TIME = re.compile(r"half[- ]?time|double[- ]?time", re.IGNORECASE)
TEMPO_ABOUT = 0.06  # of a tempo that `around` leaves room for
# `in a minor key`, `E minor third`: an article, and an interval, are no key.
_INTERVALS = (
    r"(?:seconds?|2nds?|thirds?|3rds?|fourths?|fifths?|sixths?|6ths?|sevenths?|7ths?|pentatonics?|blues\s+scale)"
)
_KEY = re.compile(
    r"\b(?:in|key of|key:)\s+(?:the\s+key\s+of\s+)?"
    r"([A-G](?:#|b|\u266f|\u266d|[- ]?sharp|[- ]?flat)?[- ]?\s*(?:major|minor))\b"
    rf"(?![- ]?{_INTERVALS}\b)",
    re.IGNORECASE,
)
_SAYS_KEY = re.compile("major|minor", re.IGNORECASE)
_VAGUE = re.compile("around|about|~|ish", re.IGNORECASE)
_OR_SO = re.compile(r"\s*-?(?:ish\b|or so\b)", re.IGNORECASE)
_SAYS_HOW = re.compile(r"a\s+(?i:major|minor)$")  # an article, unless nothing that it could belong to follows
_NOUN_LATER = re.compile(r"[^.;:]{0,40}\b(?:key|mode|tonality|scale|mood|feel|sound|colou?r)\b", re.IGNORECASE)
_NO_NOUN = re.compile(
    r"\s*(?:$|[,.;:!?()\u2014\u2013/]|-\s|(?:and|with|at|for|in|over|on|then|but|around|that|which|by|from|to|or)\b)",
    re.IGNORECASE,
)


def long_caption(subject: Subject) -> Iterator[Finding]:
    """More characters than ACE-Step's guides recommend."""
    length = len(subject.song.caption)
    if length > MAX_CAPTION:
        yield Finding(
            path=("caption",),
            message=f"the caption has {length} characters",
            why=f"ACE-Step's guides recommend at most {MAX_CAPTION}; all of it is sent",
        )


def long_prompt(subject: Subject) -> Iterator[Finding]:
    """A text prompt that leaves no room for the metas."""
    tokens = num_tokens(subject.song.caption) + TEMPLATE_TOKENS
    counted = subject.prompt_tokens if tokens > WORTH_COUNTING * MAX_TEXT_TOKENS else None
    if (counted[0] if counted else tokens) > MAX_TEXT_TOKENS:
        yield Finding(
            path=("caption",),
            message=f"the DiT's text prompt has {counted[0] if counted else f'about {tokens}'} tokens",
            why=f"it reads {MAX_TEXT_TOKENS}, and bpm, key and duration come last: they would be cut off",
            help="shorten the caption",
        )


def tempo_in_caption(subject: Subject) -> Iterator[Finding]:
    """A tempo in the caption that the metas contradict, or should have instead."""
    asked, caption = subject.song.metas.bpm, subject.draft.spec.caption
    if not _SAYS_TEMPO.search(caption):
        return
    found = [(match, _tempo_range(match, caption)) for match in _BPM.finditer(caption)]
    # Of several, as in `from 80 bpm to 120 bpm`, the song may have any tempo between.
    named = [tempo for _, both in found for tempo in both if 0 < tempo < float("inf")]
    between = (min(named), max(named)) if len(found) > 1 else None
    for match, own in found:
        low, high = between or own
        if asked is None or not (low <= asked <= high or _at_other_time(asked, low, high, caption)):
            written = match[0].lower().removesuffix("bpm").removeprefix("bpm").strip(" :=-")
            yield Finding(
                path=("caption",),
                part=(match.start(), len(match[0])),
                message=f"the caption asks for {written} bpm",
                why=f"`bpm` is {asked}" if asked else "the LM decides the tempo, and may decide otherwise",
                help="take it out here" if asked else "take it out here and set `bpm`",
            )


def key_in_caption(subject: Subject) -> Iterator[Finding]:
    """A key in the caption that the metas contradict, or should have instead."""
    asked, caption = subject.song.metas.keyscale, subject.draft.spec.caption
    if not _SAYS_KEY.search(caption):
        return
    for match in _KEY.finditer(caption):
        after = match.end()
        if _SAYS_HOW.fullmatch(match[1]) and (_NOUN_LATER.match(caption, after) or not _NO_NOUN.match(caption, after)):
            continue
        named = normalised_keyscale(
            re.sub(r"(?i)[- ]?sharp", "#", re.sub(r"(?i)[- ]?flat", "b", match[1].replace("-", " ")))
        )
        if named != asked:
            yield Finding(
                path=("caption",),
                part=(match.start(1), len(match[1])),
                message=f"the caption asks for {match[1]}",
                why=f"`keyscale` is {asked}" if asked else "the LM decides the key, and may decide otherwise",
                help="take it out here" if asked else "take it out here and set `keyscale`",
            )


def _tempo_range(match: re.Match[str], caption: str) -> tuple[float, float]:
    """The tempos that the caption's words allow: `136-138 bpm`, `around 90 bpm`, `under 80 bpm`."""
    first, last = match["from"] or match["after"], match["to"] or match["after_to"]
    low = float(first.replace(",", "."))
    high = float(last.replace(",", ".")) if last else low
    before = caption[max(match.start() - 20, 0) : match.start()]
    vague = _ABOUT.search(before) or _OR_SO.match(caption, match.end()) or _VAGUE.search(match[0])
    if last is None and vague:
        return low * (1 - TEMPO_ABOUT), low * (1 + TEMPO_ABOUT)
    bound = _BOUND.search(before)
    if bound and last is None:
        return (0.0, low) if bound["below"] else (low, float("inf"))
    if "+" in match[0]:
        return low, float("inf")
    return min(low, high) - 0.5, max(low, high) + 0.5


def _at_other_time(bpm: float, low: float, high: float, caption: str) -> bool:
    """Whether the caption speaks of half or double time, and the tempo is the other of the two."""
    return bool(_OTHER_TIME.search(caption)) and (low <= bpm * 2 <= high or low <= bpm / 2 <= high)
