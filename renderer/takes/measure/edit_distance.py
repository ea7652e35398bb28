"""Two runs of words -> which stands for which, with as few errors as can be. Pure; knows no sound."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PAIR, _MISSING, _EXTRA = range(3)
_TIES = 0.3
"""Of an error: what all that only decides between ways with as many errors comes to at most, each of three things."""


def align(
    reference: Sequence[str], words: Sequence[str], apart: Sequence[Sequence[float]]
) -> list[tuple[int | None, int | None]]:
    """Places in both, in order: pairs, missing words as (place, None), those too many as (None, place).

    Pairs of unequal words, missing words and extra ones are an error each, and their number the smallest there is
    (Levenshtein). Among ways with as few, pairs are of words that look alike, are near each other, as `apart`
    [reference][words] tells from 0 to 1, and stand side by side.
    """
    return list(_traced(_steps(reference, words, apart), len(reference), len(words)))[::-1]


def _steps(reference: Sequence[str], words: Sequence[str], apart: Sequence[Sequence[float]]) -> list[bytearray]:
    """[reference + 1][words + 1]: the last step of the cheapest way to each corner."""
    tie = _TIES / (len(reference) + 1)
    costs = list(map(float, range(len(words) + 1)))
    steps = [bytearray([_EXTRA] * len(costs))]
    for own, far in zip(reference, apart, strict=True):
        before, above, costs, row = costs, steps[-1], [costs[0] + 1], bytearray([_MISSING])
        for place, other in enumerate(words):
            pair = before[place] + (own != other) + tie * (far[place] + _unlike(own, other) + (above[place] != _PAIR))
            missing, extra = before[place + 1] + 1, costs[place] + 1
            cost = min(pair, missing, extra)
            costs.append(cost)
            row.append(_PAIR if cost == pair else _MISSING if cost == missing else _EXTRA)
        steps.append(row)
    return steps


@cache
def _unlike(one: str, other: str) -> float:
    """From 0 for the same letters to 1 for none in common."""
    if one == other:
        return 0.0
    return 1.0 - 2.0 * (Counter(one) & Counter(other)).total() / (len(one) + len(other))


def _traced(steps: Sequence[bytearray], row: int, column: int) -> Iterator[tuple[int | None, int | None]]:
    """From the end to the beginning."""
    while row or column:
        step = steps[row][column]
        row, column = row - (step != _EXTRA), column - (step != _MISSING)
        yield (None if step == _EXTRA else row), (None if step == _MISSING else column)
