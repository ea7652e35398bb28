"""The codes of two takes -> how far apart they are, in all and section by section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.facts import CODE_LEVELS, CODE_RATE
from renderer.report.diff_values import CodesDistance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.report.diff_values import TakeSound

ALL = "all"


def codes_distance(
    a: Sequence[int], b: Sequence[int], sound_a: TakeSound, sound_b: TakeSound
) -> tuple[CodesDistance, ...]:
    """All of the codes, then those of each section that both have, each from where it begins.

    The nth section of a name is compared with the nth of that name; what only one of the two has counts as differing.
    """
    whole = _distance(ALL, 0.0, a, b)
    sections_b = dict(_sections(sound_b))
    sections = (
        _distance(label[0], start, _between(a, start, end), _between(b, *sections_b[label]))
        for label, (start, end) in _sections(sound_a)
        if label in sections_b
    )
    return (whole, *(section for section in sections if section.num_codes))


def _sections(sound: TakeSound) -> Iterator[tuple[tuple[str, int], tuple[float, float]]]:
    """Name and how often it was there before -> from where to where."""
    seen: dict[str, int] = {}
    ends = [*(mark.start_seconds for mark in sound.marks[1:]), sound.seconds]
    for mark, end in zip(sound.marks, ends, strict=False):
        number = seen[mark.label] = seen.get(mark.label, 0) + 1
        yield (mark.label, number), (mark.start_seconds, end)


def _between(codes: Sequence[int], start: float, end: float) -> Sequence[int]:
    return codes[round(start * CODE_RATE) : round(end * CODE_RATE)]


def _distance(label: str, start: float, a: Sequence[int], b: Sequence[int]) -> CodesDistance:
    longer, shared = max(len(a), len(b)), min(len(a), len(b))
    # Of codes at one place: where each lies in the codebook's grid, along each of its axes.
    apart = [_apart(int(one), int(other)) for one, other in zip(a, b, strict=False)]
    return CodesDistance(
        label=label,
        start=start,
        num_codes=longer,
        num_differing=sum(one > 0 for one in apart) + longer - shared,
        distance=round(sum(apart) / shared, 4) if shared else 0.0,
    )


def _apart(one: int, other: int) -> float:
    """The mean of the axes' distances, each 0 to 1."""
    if one == other:
        return 0.0
    found = 0.0
    for levels in CODE_LEVELS:
        (one, here), (other, there) = divmod(one, levels), divmod(other, levels)
        found += abs(here - there) / (levels - 1)
    return found / len(CODE_LEVELS)
