"""A listener's votes -> weights of scores: logistic regression on pairs of a kept and a rejected take of one song.

Weights start at those of `ranking.SCORES`, which count as much as one vote that is spread over all of them: few votes
change them a little, many say what they are. Nothing is kept: the votes are, and the same votes give the same weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.takes.ranking import SCORES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUNDS = 50  # of Newton's method, which needs about five
PRIOR = 1.0  # of each weight's distance from where it starts


def learned_weights(pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> dict[str, float]:
    """Score -> weight, of pairs (kept, rejected) with each take's standard deviations by score.

    Maximises the likelihood that each kept take has more points than its rejected one.
    """
    import numpy as np  # noqa: PLC0415 - only where somebody asks for it

    names = [row.name for row in SCORES]
    start = np.array([row.weight for row in SCORES])
    rows = np.array([[kept.get(name, 0.0) - other.get(name, 0.0) for name in names] for kept, other in pairs])
    weights = start.copy()
    for _ in range(ROUNDS if len(rows) else 0):
        doubt = 1.0 / (1.0 + np.exp(np.clip(rows @ weights, -500.0, 500.0)))
        slope = rows.T @ doubt - PRIOR * (weights - start)
        curve = (rows.T * (doubt * (1.0 - doubt))) @ rows + PRIOR * np.eye(len(names))
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-12:  # noqa: PLR2004 - what rounding leaves
            break
    return dict(zip(names, map(float, weights), strict=True))
