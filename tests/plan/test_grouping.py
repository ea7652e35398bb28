"""As few loads as the graph of jobs allows: against every order there is, on small graphs drawn at random."""

from __future__ import annotations

import random
from itertools import count, product

import pytest

from renderer.plan.grouping import Node, grouped

PARTS = ("lm", "dit", "vae")


def node(part: str, *needs: str) -> Node[str]:
    return Node(load=part, rank=PARTS.index(part), needs=needs)


def drawn(seed: int) -> dict[str, Node[str]]:
    """Up to eight jobs of three parts, each building on up to two before it."""
    chance = random.Random(seed)
    nodes: dict[str, Node[str]] = {}
    for number in range(chance.randint(1, 8)):
        needs = chance.sample(sorted(nodes), k=min(len(nodes), chance.randint(0, 2)))
        nodes[f"job {number}"] = node(chance.choice(PARTS), *needs)
    names = list(nodes)
    chance.shuffle(names)
    return {name: nodes[name] for name in names}


def fewest(nodes: dict[str, Node[str]]) -> int:
    """Loads of the shortest order of parts that runs every job, found by trying all of them."""
    for length in count():
        for order in product(PARTS, repeat=length):
            done: set[str] = set()
            for part in order:
                while ready := [
                    name
                    for name, one in nodes.items()
                    if one.load == part and name not in done and done.issuperset(one.needs)
                ]:
                    done.update(ready)
            if len(done) == len(nodes):
                return length
    raise AssertionError


@pytest.mark.parametrize("seed", range(150))
def test_no_order_of_parts_loads_less_often_and_each_job_runs_once_behind_what_it_needs(seed: int) -> None:
    nodes = drawn(seed)
    groups = grouped(nodes)

    assert len(groups) == fewest(nodes)
    assert sorted(name for group in groups for name in group) == sorted(nodes)
    done: set[str] = set()
    for group in groups:
        assert len({nodes[name].load for name in group}) == 1
        for name in group:
            assert done.issuperset(nodes[name].needs)
            done.add(name)
    assert grouped(dict(nodes)) == groups


def test_a_part_runs_again_where_a_take_builds_on_the_sound_of_another() -> None:
    nodes = {
        "codes": node("lm"),
        "latents": node("dit", "codes"),
        "sound": node("vae", "latents"),
        "cover latents": node("dit", "sound"),
        "cover": node("vae", "cover latents"),
    }

    assert grouped(nodes) == (("codes",), ("latents",), ("sound",), ("cover latents",), ("cover",))


def test_takes_that_build_on_nothing_wait_for_a_part_that_is_loaded_twice_anyway() -> None:
    nodes = {
        "latents": node("dit"),
        "cover latents": node("dit", "sound"),
        "sound": node("vae", "latents"),
        "cover": node("vae", "cover latents"),
        "other latents": node("dit"),
        "other": node("vae", "other latents"),
    }

    assert grouped(nodes) == (
        ("latents", "other latents"),
        ("sound", "other"),
        ("cover latents",),
        ("cover",),
    )


def test_what_is_done_already_is_waited_for_by_nobody() -> None:
    assert grouped({"sound": node("vae", "latents")}) == (("sound",),)


def test_many_takes_are_ordered_at_once() -> None:
    nodes: dict[str, Node[str]] = {}
    for number in range(2_000):
        nodes |= {f"codes {number}": node("lm"), f"latents {number}": node("dit", f"codes {number}")}

    assert [len(group) for group in grouped(nodes)] == [2_000, 2_000]


def test_jobs_in_a_ring_are_refused() -> None:
    with pytest.raises(ValueError, match="build on each other"):
        grouped({"one": node("lm", "other"), "other": node("dit", "one")})
