"""A fixed split of takes for several machines that render one batch without speaking to each other.

What is connected stays together: takes that share a job, or of which one builds on another. So no job is in two shards,
and none waits for another. The split follows from the specs alone, never from what is on disk already.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from renderer.plan.jobs import Plan, TakePlan

MOST_SHARDS = 10_000
_SHARD = re.compile(r"(\d{1,5})/(\d{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One share of a batch."""

    number: int
    """From 1."""
    count: int
    """Of all shards."""

    def __post_init__(self) -> None:
        """Raises: UsageError for a share that there isn't."""
        if not 1 <= self.number <= self.count <= MOST_SHARDS:
            raise UsageError(
                f"there is no shard {self}",
                why=f"they are counted from 1, and are {MOST_SHARDS:,} at most",
                help="of 8 the first is 1/8 and the last 8/8",
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def file_part(self) -> str:
        """As it stands in names of files: `2-of-8`."""
        return f"{self.number}-of-{self.count}"


def shard_in(text: str) -> Shard:
    """`2/8`.

    Raises: UsageError for what is none.
    """
    match = _SHARD.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"`{text}` is no shard", help="write it like 2/8: the second of eight")
    return Shard(number=int(match[1]), count=int(match[2]))


def split_digest(plan: Plan) -> str:
    """Equal for plans of the same takes under the same keys: their shards fit together."""
    takes = sorted((take.name, take.key) for take in plan.takes)
    return hashlib.sha256(repr(takes).encode()).hexdigest()


def names_in(plan: Plan, shard: Shard) -> frozenset[str]:
    """The names of the takes that a shard renders, of a plan of all takes."""
    return frozenset(take.name for take in _dealt(plan.takes, shard.count)[shard.number - 1])


def _dealt(takes: Sequence[TakePlan], count: int) -> Sequence[Sequence[TakePlan]]:
    """The takes of each shard: connected ones by their work, the most first, each to the shard with the least."""
    shards: list[list[TakePlan]] = [[] for _ in range(count)]
    loads = [0] * count
    for part in sorted(_connected(takes), key=lambda part: (-_work(part), min(take.name for take in part))):
        least = loads.index(min(loads))
        shards[least].extend(part)
        loads[least] += _work(part)
    return shards


def _work(part: Iterable[TakePlan]) -> int:
    """In jobs, shared ones once: how long one takes, the specs alone don't tell."""
    return len({(stage, key) for take in part for stage, key in take.keys.items()})


def _connected(takes: Sequence[TakePlan]) -> Iterator[list[TakePlan]]:
    """Takes that hang together by the keys of their jobs and of what these build on."""
    above: dict[object, object] = {}

    def top(node: object) -> object:
        while (parent := above.setdefault(node, node)) != node:
            above[node] = node = above[parent]
        return node

    for take in takes:
        # Plans that are compared are made by one machine: only it then knows which to finish.
        group = [("pick", *take.pick_group)] if take.pick_group else []
        for key in (*take.keys.values(), *take.builds_on, *group):
            above[top(key)] = top(("take", take.name))
    parts: dict[object, list[TakePlan]] = {}
    for take in takes:
        parts.setdefault(top(("take", take.name)), []).append(take)
    yield from parts.values()
