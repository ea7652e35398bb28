"""Takes of one song -> which to hear first, and what speaks for and against each. Pure: numbers in, an order out.

A take's points are the sum, over `SCORES`, of weight times how many standard deviations its score lies from the mean of
those of the song's takes that have one. A score that a take lacks counts as that mean, neither for it nor against it
(`RankedTake.unscored` tells of it); what all have alike, neither. So points compare takes of one song, and say nothing
across songs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import log1p, sqrt
from statistics import fmean, median
from typing import TYPE_CHECKING

from renderer.plurals import counted
from renderer.takes.agreement import BPM_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.takes.take_scores import TakeScores

LEAST_DEVIATION = 1e-9
TOLD = 0.25
"""Standard deviations from the mean from which a score is told to speak for or against a take."""


def _nobody(scores: TakeScores) -> str:
    del scores
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One thing that takes are compared by."""

    name: str
    weight: float
    """Unless votes say otherwise."""
    value: Callable[[TakeScores], float | None]
    """The more the better; None where nobody knows."""
    text: Callable[[TakeScores], str]
    """What it is, in a few words, of takes that have a value."""
    judge: Callable[[TakeScores], str] = _nobody
    """Who says it; only what the same one says is compared, of several what the one says that knows most takes."""
    near_median: bool = False
    """Whether it is best near the median of the song's takes: of loudness nobody asks for a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReason:
    """A score of a take, beside those of the song's other takes."""

    name: str
    text: str
    """`2 of 14 lines skipped?`."""
    standard: float
    """Standard deviations above the mean of the song's takes, below it when negative."""
    points: float
    """That it gives the take: the weight times these."""

    @property
    def counts(self) -> bool:
        """Whether it is told."""
        return abs(self.standard) >= TOLD and self.points != 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedTake:
    """A take in its place."""

    name: str
    rank: int
    """From 1; takes with as many points keep the order that they were given in."""
    points: float
    reasons: tuple[ScoreReason, ...]
    """Of every score that it has, those that speak for it most first."""
    unscored: tuple[str, ...] = ()
    """Scores that it lacks and that tell others of the song apart: each counts as their mean."""

    @property
    def speaks_for(self) -> tuple[ScoreReason, ...]:
        """What is told for it, the strongest first."""
        return tuple(one for one in self.reasons if one.counts and one.points > 0)

    @property
    def speaks_against(self) -> tuple[ScoreReason, ...]:
        """What is told against it, the strongest first."""
        return tuple(one for one in reversed(self.reasons) if one.counts and one.points < 0)


def ranked(takes: Mapping[str, TakeScores], weights: Mapping[str, float] | None = None) -> tuple[RankedTake, ...]:
    """A song's takes by name -> the best first; `weights` in place of those of `SCORES`."""
    weighed = {row.name: row.weight for row in SCORES} | dict(weights or {})
    standards = standardised(takes)
    found = {name: _reasons(scores, standards[name], weighed) for name, scores in takes.items()}
    points = {name: sum(one.points for one in reasons) for name, reasons in found.items()}
    order = sorted(takes, key=lambda name: -points[name])
    counting = {one.name for reasons in found.values() for one in reasons if one.counts}
    told = [row.name for row in SCORES if row.name in counting]
    return tuple(
        RankedTake(
            name=name,
            rank=rank,
            points=points[name],
            reasons=found[name],
            unscored=tuple(one for one in told if one not in standards[name]),
        )
        for rank, name in enumerate(order, start=1)
    )


def standardised(takes: Mapping[str, TakeScores]) -> dict[str, dict[str, float]]:
    """Take -> score -> standard deviations from the mean of the song's takes; only scores that there are."""
    found: dict[str, dict[str, float]] = {name: {} for name in takes}
    for row in SCORES:
        values = {name: row.value(scores) for name, scores in takes.items()}
        judges = Counter(row.judge(takes[name]) for name, value in values.items() if value is not None)
        (judge, _), *_ = judges.most_common(1) or [("", 0)]
        known = {name: value for name, value in values.items() if value is not None and row.judge(takes[name]) == judge}
        for name, value in _standard(_near_median(known) if row.near_median else known).items():
            found[name][row.name] = value
    return found


def _near_median(values: Mapping[str, float]) -> dict[str, float]:
    middle = median(values.values()) if values else 0.0
    return {name: -abs(value - middle) for name, value in values.items()}


def _standard(values: Mapping[str, float]) -> dict[str, float]:
    mean = fmean(values.values()) if values else 0.0
    deviation = sqrt(fmean((value - mean) ** 2 for value in values.values())) if values else 0.0
    # What is the same but for rounding is the same.
    return {name: (value - mean) / deviation if deviation > LEAST_DEVIATION else 0.0 for name, value in values.items()}


def _reasons(
    scores: TakeScores, standards: Mapping[str, float], weights: Mapping[str, float]
) -> tuple[ScoreReason, ...]:
    found = (
        ScoreReason(
            name=row.name,
            text=row.text(scores),
            standard=standards[row.name],
            points=weights[row.name] * standards[row.name],
        )
        for row in SCORES
        if row.name in standards
    )
    return tuple(sorted(found, key=lambda one: -one.points))


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _sung_share(scores: TakeScores) -> float | None:
    return 1.0 - len(scores.skipped) / scores.num_lines if scores.num_lines else None


def _skipped_text(scores: TakeScores) -> str:
    lines = counted(scores.num_lines or 0, "line")
    return f"{len(scores.skipped)} of {lines} skipped?" if scores.skipped else f"none of {lines} skipped"


def _words_text(scores: TakeScores) -> str:
    words = counted(scores.words.num_words if scores.words else 0, "word")
    return f"{scores.words.num_wrong} of {words} not as written" if scores.words else ""


SCORES: tuple[ScoreRow, ...] = (
    ScoreRow(
        name="plan",
        weight=1.0,
        value=lambda scores: scores.plan,
        text=lambda scores: f"plan {scores.plan:.2f}",
    ),
    ScoreRow(
        name="alignment",
        weight=1.0,
        value=lambda scores: scores.alignment,
        text=lambda scores: f"follows the lyrics {scores.alignment:.2f}",
    ),
    ScoreRow(name="lines", weight=1.0, value=_sung_share, text=_skipped_text),
    ScoreRow(
        name="words",
        weight=1.0,
        # Where all words are others, more of them say no more.
        value=lambda scores: None if scores.words is None else -min(1.0, scores.words.rate),
        text=_words_text,
        judge=lambda scores: scores.words.digest if scores.words else "",
    ),
    ScoreRow(
        name="tempo",
        weight=0.5,
        # Trackers and ears agree on no tempo more closely.
        value=lambda scores: None if scores.tempo_off is None else -max(0.0, scores.tempo_off - BPM_TOLERANCE),
        text=lambda scores: f"{scores.bpm:.0f} bpm, {scores.tempo_off:.0%} off",
    ),
    ScoreRow(
        name="key",
        weight=0.5,
        value=lambda scores: None if scores.in_key is None else float(scores.in_key),
        text=lambda scores: f"in {scores.keyscale}" + ("" if scores.in_key else ", which wasn't wanted"),
    ),
    ScoreRow(
        name="length",
        weight=0.5,
        value=lambda scores: _negative(scores.seconds_off),
        text=lambda scores: f"length {scores.seconds_off:.1f} s off",
    ),
    ScoreRow(
        name="silence",
        weight=0.5,
        value=lambda scores: _negative(scores.silent_seconds),
        text=lambda scores: f"{scores.silent_seconds:.1f} s silent or quiet at the ends",
    ),
    ScoreRow(
        name="clipping",
        weight=0.5,
        # Ten clipped samples and a thousand are further apart than a thousand and two thousand.
        value=lambda scores: None if scores.num_clipped is None else -log1p(scores.num_clipped),
        text=lambda scores: f"{counted(scores.num_clipped or 0, 'sample')} clipped",
    ),
    ScoreRow(
        name="loudness",
        weight=0.25,
        value=lambda scores: scores.loudness_lufs,
        text=lambda scores: f"{scores.loudness_lufs:.1f} LUFS",
        near_median=True,
    ),
)
"""What takes are compared by, in the order in which it is told: the plan's score, how the lyrics are followed and what
is heard of them first, which say most about a song; then what was asked for and can be heard, half as heavy."""
