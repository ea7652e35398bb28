"""Where a song's sections lie: a function of lyrics, bpm, metre and duration, so that a take can be judged by it."""

from __future__ import annotations

import re
from dataclasses import dataclass

TAG = re.compile(r"^\[([^\]\n]+)\][ \t]*(?:\(([^)\n]*)\))?[ \t]*$", re.MULTILINE)
DEFAULT_FORM = ("intro", "verse", "chorus", "outro")

# What a tag's words mean, first match wins: (words, kind).
KINDS = (
    (("solo",), "solo"),
    (("pre-chorus", "pre chorus", "prechorus", "pre-coro", "build"), "prechorus"),
    (("chorus", "hook", "coro", "estribillo", "drop", "refrain"), "chorus"),
    (("intro",), "intro"),
    (("outro", "end", "final", "coda"), "outro"),
    (("bridge", "puente"), "bridge"),
    (("break", "interlude"), "break"),
)

# Bars a section takes relative to a verse.
WEIGHTS = {
    "intro": 0.5,
    "verse": 1.0,
    "prechorus": 0.5,
    "chorus": 1.0,
    "bridge": 0.75,
    "solo": 0.75,
    "break": 0.5,
    "outro": 0.5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A section in time."""

    kind: str
    """A key of `WEIGHTS`: what the composer plays there."""
    solo: str
    """The solo instrument the tag or annotation names; empty when there is none."""
    num_lines: int
    first_bar: int
    num_bars: int
    start_seconds: float
    end_seconds: float


def beats_per_bar(timesignature: str) -> int:
    """Beats in a bar; 6 stands for 6/8, felt in two groups of three."""
    return {"2": 2, "3": 3, "4": 4, "6": 6}[timesignature]


def bar_seconds(bpm: int, timesignature: str) -> float:
    """How long a bar lasts; in 6/8 bpm counts dotted quarters, two a bar."""
    return (2 if timesignature == "6" else beats_per_bar(timesignature)) * 60 / bpm


def lay_out(lyrics: str, bpm: int, timesignature: str, duration_seconds: float) -> tuple[Span, ...]:
    """The sections of `lyrics` over the song, on bar lines; the last one ends with the song."""
    parts = read_parts(lyrics) or [(kind, "", 0) for kind in DEFAULT_FORM]
    bar = bar_seconds(bpm, timesignature)
    num_bars = max(1, int(duration_seconds / bar + 0.5))
    parts = parts[:num_bars]
    counts = apportion([WEIGHTS[kind] for kind, _, _ in parts], num_bars)
    spans = []
    first = 0
    for index, ((kind, solo, num_lines), count) in enumerate(zip(parts, counts, strict=True)):
        end = duration_seconds if index == len(parts) - 1 else (first + count) * bar
        spans.append(
            Span(
                kind=kind,
                solo=solo,
                num_lines=num_lines,
                first_bar=first,
                num_bars=count,
                start_seconds=first * bar,
                end_seconds=end,
            )
        )
        first += count
    return tuple(spans)


def read_parts(lyrics: str) -> list[tuple[str, str, int]]:
    """(kind, solo instrument, sung lines) of each tagged part; `[Instrumental]` alone has none."""
    tags = list(TAG.finditer(lyrics))
    parts = []
    for index, tag in enumerate(tags):
        end = tags[index + 1].start() if index + 1 < len(tags) else len(lyrics)
        num_lines = sum(1 for line in lyrics[tag.end() : end].splitlines() if line.strip())
        kind = kind_of(tag[1])
        annotation = (tag[2] or "").lower()
        solo = solo_instrument(f"{tag[1].lower()} {annotation}") if kind == "solo" or "solo" in annotation else ""
        parts.append((kind, solo, num_lines))
    alone = len(parts) == 1 and tags[0][1].strip().lower() in {"instrumental", "inst"}
    return [] if alone else parts


def kind_of(tag: str) -> str:
    """What a tag asks for; unknown tags are played as verses."""
    words = tag.lower()
    return next((kind for keys, kind in KINDS if any(key in words for key in keys)), "verse")


def solo_instrument(words: str) -> str:
    """The instrument a solo's words name: guitar, piano or lead."""
    if "guitar" in words:
        return "guitar"
    return "piano" if "piano" in words or "keys" in words else "lead"


def apportion(weights: list[float], num_bars: int) -> list[int]:
    """`num_bars` shared out by weight, at least one each, in pairs of bars where there are enough."""
    unit = 2 if num_bars // 2 >= 2 * len(weights) else 1
    units = num_bars // unit
    ideal = [weight * units / sum(weights) for weight in weights]
    counts = [max(1, int(share)) for share in ideal]
    while sum(counts) > units:
        counts[counts.index(max(counts))] -= 1
    by_remainder = sorted(range(len(weights)), key=lambda index: int(ideal[index]) - ideal[index])
    for index in by_remainder[: units - sum(counts)]:
        counts[index] += 1
    bars = [count * unit for count in counts]
    bars[-1] += num_bars - sum(bars)
    return bars
