"""Attention of frames to lyric tokens -> how well they follow each other: ACE-Step's lyric alignment score.

It ranks takes of one song: what it comes to depends on the song's length and the DiT. Metrics are float64, on the CPU.
Source: ace-step/ACE-Step-1.5, acestep/core/scoring/dit_score.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from renderer.models.ace_step.protocol.alignment import warp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from renderer.artifacts import Float32s
    from renderer.models.ace_step.protocol.alignment import WarpPath

    Bools = npt.NDArray[np.bool_]
    Float64s = npt.NDArray[np.float64]

COVERED = 0.1  # of the most attention any cell has, that a token needs at some frame to count as sung
WEIGHED = 0.01  # below, a cell has no part in when its token is sung
OVERLAP_FRAMES = 9.0  # that a token's middle may lie before the one of the token before it
DECIMALS = 4
FLAT = 1e-9  # between the least and the most of attention, where it tells nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShares:
    """What of the energies [tokens, frames] the score is made of, float64."""

    peaks: Float64s
    """[tokens]: the most at any frame."""
    sums: Float64s
    """[tokens]: of what weighs enough, over the frames."""
    moments: Float64s
    """[tokens]: the same, times each frame's number."""
    confidence: float
    """The mean along the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LyricScore:
    """How well sound follows its lyrics."""

    score: float
    """coverage² · monotonicity² · confidence, from 0 to 1."""
    covered: Bools
    """[tokens]: whether any frame attends to it."""


def sung_rows(texts: Sequence[str]) -> Bools:
    """[tokens]: whether it is sung, by each one's own text; from a `[` through a `]` it is a section's tag."""
    sung, inside = np.ones(len(texts), dtype=np.bool_), False
    for row, text in enumerate(texts):
        inside = inside or "[" in text
        sung[row] = not (inside or "]" in text)
        inside = inside and "]" not in text
    return sung


def lyric_score(attention: Float32s, sung: Bools) -> LyricScore:
    """Of [heads, tokens, frames], `sung` as `sung_rows` says."""
    energy = energy_of(attention)
    return score_of(shares_along(warp(score_costs(energy)), energy), sung)


def score_costs(energy: Float32s) -> Float32s:
    """[tokens, frames] that the way through is to avoid."""
    found: Float32s = -(energy**2)
    return found


def shares_along(path: WarpPath, energy: Float32s) -> TokenShares:
    """Of energies [tokens, frames], and the cheapest way through their `score_costs`."""
    exact = energy.astype(np.float64)
    weights = np.where(exact > WEIGHED, exact, 0.0)
    return TokenShares(
        peaks=exact.max(axis=1),
        sums=weights.sum(axis=1),
        moments=weights @ np.arange(exact.shape[1], dtype=np.float64),
        confidence=float(exact[path.tokens, path.frames].mean()),
    )


def score_of(shares: TokenShares, sung: Bools) -> LyricScore:
    """`sung` as `sung_rows` says."""
    covered = shares.peaks > COVERED
    coverage = float(covered[sung].mean()) if sung.any() else 1.0
    score = coverage**2 * _monotonicity(shares, sung) ** 2 * shares.confidence
    return LyricScore(score=round(min(max(score, 0.0), 1.0), DECIMALS), covered=covered)


def energy_of(attention: Float32s) -> Float32s:
    """[tokens, frames] from 0 to 1; 0 where all is the same."""
    mean = attention.mean(axis=0, dtype=np.float32)
    low, high = mean.min(), mean.max()
    flat = not high - low > FLAT
    found: Float32s = np.zeros_like(mean) if flat else (mean - low) / (high - low)
    return found


def _monotonicity(shares: TokenShares, sung: Bools) -> float:
    """The share of sung tokens whose middle isn't far before that of the sung one before."""
    heard = sung & (shares.sums > 1e-9)  # noqa: PLR2004 - upstream's
    middles = shares.moments[heard] / shares.sums[heard]
    return float((middles[1:] >= middles[:-1] - OVERLAP_FRAMES).mean()) if len(middles) > 1 else 1.0
