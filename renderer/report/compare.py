"""Asked, decided, measured: whether they agree, and which words the LM changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from renderer.plurals import counted
from renderer.report.formatting import clock
from renderer.takes.agreement import same_key, same_tempo, tempo_difference

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from renderer.report.values import MadeFrom, ReportTake, SkippedLine
    from renderer.settings import Metas
    from renderer.takes.measure.values import Difference, Measured, WordErrors

DURATION_TOLERANCE_SECONDS = 0.2  # one code of the LM
SILENCE_SECONDS = 3.0
QUIET_SECONDS = 8.0  # longer than songs take to fade
TRUE_PEAK_DB = 0.0
MOST_NAMED = 2  # skipped and misheard lines of a take that are told by their words


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something about a take that one should hear or look at."""

    code: str
    """Sorted and filtered by: `bpm`, `key`, `length`, …"""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A run of words in the LM's caption."""

    text: str
    kind: str
    """`same`, `added` or `dropped`."""


def flags(take: ReportTake, metas: Metas) -> tuple[Flag, ...]:
    """What doesn't fit; tempos count as equal at half and double, keys with their enharmonic names."""
    return (*_compared(take, metas), *_faults(take))


def tempo_error(take: ReportTake, metas: Metas) -> float | None:
    """How far the measured tempo is from the wanted one, in per cent of it; None where one of them isn't known."""
    wanted = metas.bpm or (take.decided and take.decided.bpm)
    heard = take.measured.bpm if take.measured else None
    if not wanted or not heard:
        return None
    return round(100 * tempo_difference(wanted, heard), 1)


def changed_words(caption: str, written: str) -> tuple[Words, ...]:
    """The LM's caption beside the asked one, word by word."""
    old, new = re.findall(r"\S+\s*", caption), re.findall(r"\S+\s*", written)
    # The last word of a text has no blank behind it and is the same word all the same.
    matcher = SequenceMatcher(None, [word.strip() for word in old], [word.strip() for word in new], autojunk=False)
    return tuple(_apart(tuple(_words(matcher, old, new))))


def _compared(take: ReportTake, metas: Metas) -> Iterator[Flag]:
    heard, decided = take.measured, take.decided
    if heard is None:
        return
    bpm = metas.bpm or (decided and decided.bpm)
    if bpm and heard.bpm and not same_tempo(bpm, heard.bpm):
        yield Flag(code="tempo", text=f"{heard.bpm:.0f} bpm heard, {bpm} wanted")
    key = metas.keyscale or (decided and decided.keyscale)
    if key and heard.keyscale and not same_key(key, heard.keyscale):
        yield Flag(code="key", text=f"{heard.keyscale} heard, {key} wanted")
    seconds = _wanted_seconds(take, metas)
    if seconds and abs(heard.duration_seconds - seconds) > DURATION_TOLERANCE_SECONDS:
        yield Flag(code="length", text=f"{heard.duration_seconds:.1f} s long, {seconds:.1f} s wanted")
    if max(heard.head_silence_seconds, heard.tail_silence_seconds) > SILENCE_SECONDS:
        head, tail = heard.head_silence_seconds, heard.tail_silence_seconds
        yield Flag(code="silence", text=f"silent for {head:.1f} s at the head, {tail:.1f} s at the tail")
    else:
        yield from _quiet(heard)
    if heard.num_clipped:
        yield Flag(code="clipping", text=f"{counted(heard.num_clipped, 'sample')} clipped")
    if heard.true_peak_db is not None and heard.true_peak_db > TRUE_PEAK_DB:
        yield Flag(code="peak", text=f"true peak at {heard.true_peak_db:+.1f} dBTP")


def _quiet(measured: Measured) -> Iterator[Flag]:
    ends = (("first", measured.head_quiet_seconds), ("last", measured.tail_quiet_seconds))
    told = [f"the {end} {seconds:.0f} s" for end, seconds in ends if seconds >= QUIET_SECONDS]
    if told:
        yield Flag(code="quiet", text=f"{' and '.join(told)} far quieter than the rest")


def _faults(take: ReportTake) -> Iterator[Flag]:
    if take.degraded:
        yield Flag(code="degraded", text=f"degraded: {', '.join(take.degraded)}")
    if take.cut:
        yield Flag(code="cut", text="; ".join(take.cut))
    if take.skipped:
        yield Flag(code="skipped", text=f"skipped? {_named(take.skipped)}")
    if take.word_errors:
        yield from _misheard(take.word_errors, {line.row for line in take.skipped})
    if take.made_from and take.made_from.difference:
        yield from _beyond_windows(take.made_from, take.made_from.difference)


def _named(lines: Sequence[SkippedLine]) -> str:
    return _first([f"“{line.text}” at {clock(line.start_seconds)}" for line in lines])


def _misheard(words: WordErrors, skipped: Container[int]) -> Iterator[Flag]:
    if words.other_language:
        yield Flag(code="language", text=f"sounds like {words.other_language}, not {words.language}")
    if others := [f"“{line.text}”" for line in words.misheard if line.row not in skipped]:
        yield Flag(code="words", text=f"other words? {_first(others)}")


def _first(lines: Sequence[str]) -> str:
    return ", ".join(lines[:MOST_NAMED]) + (f" and {len(lines) - MOST_NAMED} more" if len(lines) > MOST_NAMED else "")


def _beyond_windows(made: MadeFrom, difference: Difference) -> Iterator[Flag]:
    # Of a lossy file no sample comes back as it was.
    if made.keeps_the_rest and difference.lossless and difference.num_outside_differing:
        yield Flag(code="outside", text="it differs from its source outside of its windows, too")
    if difference.lossless and difference.num_inside and not difference.num_inside_differing:
        yield Flag(code="unchanged", text="it is its source, sample for sample")


def _wanted_seconds(take: ReportTake, metas: Metas) -> float | None:
    decided = take.decided.duration if take.decided else None
    seconds = metas.duration if metas.duration is not None else decided
    if seconds is None or take.preview_seconds is None:
        return seconds
    return min(seconds, take.preview_seconds)


def _apart(runs: Sequence[Words]) -> Iterator[Words]:
    """With a blank between them also behind what ended one of the texts."""
    for run in runs[:-1]:
        yield run if run.text[-1].isspace() else replace(run, text=f"{run.text} ")
    yield from runs[-1:]


def _words(matcher: SequenceMatcher[str], old: Sequence[str], new: Sequence[str]) -> Iterator[Words]:
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if kind == "equal":
            yield Words(text="".join(new[new_from:new_to]), kind="same")
            continue
        if old_to > old_from:
            yield Words(text="".join(old[old_from:old_to]), kind="dropped")
        if new_to > new_from:
            yield Words(text="".join(new[new_from:new_to]), kind="added")
