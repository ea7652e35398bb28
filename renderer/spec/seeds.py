"""Seeds as options and programs give them: which can be rendered at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.facts import MAX_SEED
from renderer.song import MAX_SEEDS, is_seed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from renderer.song import Take

_SPAN = re.compile(r"\s*([0-9]{1,5000})\s*(?:\.\.\s*([0-9]{1,5000})\s*)?", re.ASCII)
_MOST_DIGITS = 40  # told of a number that is none
RANGE = f"seeds run from 0 to {MAX_SEED}"


def seeds_in(text: str) -> tuple[int, ...]:
    """`7`, `1,5,9` or `1..16`, in the order written.

    Raises: UsageError for anything else, for seeds there are not, one named twice, and more than a song may have.
    """
    spans = [_span(piece, text) for piece in text.split(",")]
    if sum(map(len, spans)) > MAX_SEEDS:
        raise UsageError(f"`{_short(text)}` names too many seeds", why=f"a song has {MAX_SEEDS:,} at most")
    seeds = tuple(seed for span in spans for seed in span)
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"`{_short(text)}` names a seed twice", why="both would be the same take")
    return seeds


def refuse_seeds(seeds: Sequence[int]) -> None:
    """Raises: UsageError for seeds that a spec couldn't name either."""
    odd = next((seed for seed in seeds if not is_seed(seed)), None)
    if odd is not None:
        raise UsageError(f"`{_short(str(odd))}` is no seed", why=RANGE)
    if len(seeds) > MAX_SEEDS:
        raise UsageError(f"{len(seeds):,} seeds are too many", why=f"a song has {MAX_SEEDS:,} at most")
    if len(set(seeds)) != len(seeds):
        raise UsageError("a seed is there twice", why="both would be the same take")


def refuse_takes_seeds(takes: Iterable[Take]) -> None:
    """Raises: UsageError for a take, of whatever making, with a seed that is none."""
    for take in takes:
        inference = take.variant.inference
        named = {"seed": take.seed, "lm_seed": inference.lm_seed, "retake_seed": inference.retake_seed}
        for name, seed in named.items():
            if seed is not None and not is_seed(seed):
                raise UsageError(f"`{name}` of `{take.song.name}` is {_short(str(seed))}", why=RANGE)


def _span(piece: str, text: str) -> range:
    found = _SPAN.fullmatch(piece)
    if found is None:
        raise UsageError(f"`{_short(text)}` is no list of seeds", help="write 7 or 1,5,9 or 1..16")
    first, last = found[1], found[2] or found[1]
    for number in (first, last):
        if len(number.lstrip("0")) > len(str(MAX_SEED)) or int(number) > MAX_SEED:
            raise UsageError(f"`{_short(number)}` is no seed", why=RANGE)
    span = range(int(first), int(last) + 1)
    if not span:
        raise UsageError(f"`{_short(piece)}` is no span of seeds", why="it ends before it begins")
    return span


def _short(text: str) -> str:
    return text if len(text) <= _MOST_DIGITS else f"{text[:_MOST_DIGITS]}…"
