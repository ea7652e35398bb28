"""Jobs that build on each other -> groups that share one load of a part: as few loads as the graph allows.

Knows nothing of stages: a job is a name, what has to be loaded for it, and the jobs that come before it.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence

MOST_STATES = 20_000
"""Orders that are looked at before the best that is known is taken: real plans need a few dozen."""

Load = TypeVar("Load", bound="Hashable")


class Node(NamedTuple, Generic[Load]):
    """A job as its order needs it: a tuple, as plans have thousands."""

    load: Load
    """What has to be resident; equal ones share it."""
    rank: int
    """Which of several loads comes first where the graph leaves it open: the lowest."""
    needs: tuple[str, ...] = ()
    """Jobs before it; those that aren't among the nodes are done already."""


def grouped(nodes: Mapping[str, Node[Load]]) -> tuple[tuple[str, ...], ...]:
    """Names of jobs that run with one load, in running order, each job once and behind what it needs.

    Within a group, and where the graph leaves it open, jobs keep the order they are given in.

    Raises: ValueError for jobs that build on each other in a ring.
    """
    classes = _classes(nodes)
    groups: list[tuple[str, ...]] = []
    for load in _order(tuple(classes)):
        done = {name for group in groups for name in group}
        groups.append(tuple(_runnable(nodes, load, done)))
    return tuple(groups)


class _Class(NamedTuple, Generic[Load]):
    """Jobs that become ready at the same time with the same load, whatever their number: all 1,000 takes of a song."""

    load: Load
    rank: int
    needs: frozenset[int]
    """Places of the classes before it."""


def _classes(nodes: Mapping[str, Node[Load]]) -> Sequence[_Class[Load]]:
    found: dict[_Class[Load], int] = {}
    class_of: dict[str, int] = {}
    for name in _topological(nodes):
        node = nodes[name]
        needs = frozenset(class_of[need] for need in node.needs if need in nodes)
        one = _Class(node.load, node.rank, needs)
        class_of[name] = found.setdefault(one, len(found))
    return tuple(found)


def _topological(nodes: Mapping[str, Node[Load]]) -> Iterator[str]:
    done: set[str] = set()
    for first in nodes:
        stack = [(first, iter(nodes[first].needs))]
        open_names = {first}
        while stack:
            name, needs = stack[-1]
            need = next((one for one in needs if one in nodes and one not in done), None)
            if name in done or need is None:
                stack.pop()
                open_names.discard(name)
                if name not in done:
                    done.add(name)
                    yield name
            elif need in open_names:
                raise ValueError(f"`{need}` and `{name}` build on each other")
            else:
                open_names.add(need)
                stack.append((need, iter(nodes[need].needs)))


def _order(classes: Sequence[_Class[Load]]) -> tuple[Load, ...]:
    """The loads, one after the other, with repetitions: best first by loads made and loads still to come at least."""
    every = frozenset(range(len(classes)))
    positions = {one.load: place for place, one in enumerate(sorted(classes, key=lambda one: one.rank))}
    start: tuple[int, tuple[int, ...], frozenset[int], tuple[Load, ...]] = (0, (), frozenset(), ())
    waiting, seen = [start], set[frozenset[int]]()
    while waiting:
        _, ranks, done, order = heappop(waiting)
        if done == every:
            return order
        if done in seen:
            continue
        seen.add(done)
        for load in _next_loads(classes, done, positions, greedy=len(seen) > MOST_STATES):
            after = _after(classes, load, done)
            left = {one.load for place, one in enumerate(classes) if place not in after}
            heappush(waiting, (len(order) + 1 + len(left), (*ranks, positions[load]), after, (*order, load)))
    return ()


def _next_loads(
    classes: Sequence[_Class[Load]], done: Collection[int], positions: Mapping[Load, int], *, greedy: bool
) -> Sequence[Load]:
    """Which loads may come next: one that ends all of its jobs at once is never worse than another."""
    left = [(place, one) for place, one in enumerate(classes) if place not in done]
    ready = sorted({one.load for _, one in left if one.needs <= set(done)}, key=lambda load: positions[load])
    for load in ready:
        after = _after(classes, load, done)
        if all(place in after for place, one in left if one.load == load):
            return (load,)
    return ready[:1] if greedy else ready


def _after(classes: Sequence[_Class[Load]], load: Load, done: Collection[int]) -> frozenset[int]:
    """What is done once this load has run all that it can: classes stand behind those they need."""
    after = set(done)
    for place, one in enumerate(classes):
        if one.load == load and one.needs <= after:
            after.add(place)
    return frozenset(after)


def _runnable(nodes: Mapping[str, Node[Load]], load: Load, done: Collection[str]) -> Iterator[str]:
    """The load's jobs, each behind what it needs of them."""
    ran = set(done)
    waiting = [name for name, node in nodes.items() if node.load == load and name not in ran]
    while waiting:
        ready = [name for name in waiting if all(need in ran or need not in nodes for need in nodes[name].needs)]
        yield from ready
        ran.update(ready)
        if not ready:
            return
        waiting = [name for name in waiting if name not in ran]
