"""Who begins which part when, on expected times: over random batches, never later than with a barrier, no one idle."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from renderer.plan.jobs import Group, Input, Plan
from renderer.run.choice import MOST_EXTRA_LOADS, Way
from renderer.run.cutting import cut
from renderer.run.expected import Expected, ends
from renderer.run.simulation import best
from tests.run.contract.harness import plan_of, registered, settings
from tests.run.contract.toy import ToyRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.run.simulation import Schedule

LENGTHS = (1.0, 2.0, 5.0, 9.0)
MOST_TAKES = 12


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[float, Plan]]:
    """By the seconds of its songs: a plan of as many takes as any test needs."""
    folder = tmp_path_factory.mktemp("plans")
    with registered():
        yield {
            seconds: plan_of(folder, *(ToyRequest(name=f"{at:02}", seconds=seconds) for at in range(MOST_TAKES)))
            for seconds in LENGTHS
        }


def drawn(random_: random.Random, plans: dict[float, Plan]) -> Plan:
    """Takes of random lengths, some of which build on another's sound, which loads both parts once more."""
    number = random_.randint(1, MOST_TAKES)
    of_take = [plans[random_.choice(LENGTHS)] for _ in range(number)]
    sketches = [plan.groups[0].jobs[at] for at, plan in enumerate(of_take)]
    sounds = [plan.groups[1].jobs[at] for at, plan in enumerate(of_take)]
    late = set(random_.sample(range(1, number), random_.randint(0, number // 3))) if random_.random() < 0.3 else set()
    for at in late:
        before = random_.choice([other for other in range(number) if other not in late])
        inputs = {"sound": Input(stage="sound", key=sounds[before].key)}
        sketches[at] = replace(sketches[at], inputs=inputs)
    waves = [[at for at in range(number) if at not in late], sorted(late)]
    groups = (
        Group(part=part, files=sketches[0].files, jobs=tuple(jobs[at] for at in wave))
        for wave in waves
        if wave
        for part, jobs in (("pencil", sketches), ("brush", sounds))
    )
    return Plan(takes=(), groups=tuple(groups))


def times(random_: random.Random) -> Expected:
    paces = {(stage, "none"): random_.choice((0.1, 1.0, 4.0)) for stage in ("sketch", "sound")}
    return Expected(
        paces=paces, loads={"none": random_.choice((0.0, 0.5, 3.0, 20.0))}, start=random_.choice((0.0, 5.0))
    )


def with_a_barrier(plan: Plan, expected: Expected, num_workers: int) -> float:
    """Written anew, beside the program: group after group, each batch to who is free first."""
    free, resident = [0.0] * num_workers, [""] * num_workers
    workers = [settings()] * num_workers
    for group in plan.groups:
        begin = max(free)
        free = [begin] * num_workers
        for jobs in group.batches:
            for batch in cut(jobs, workers):
                # Who has the part goes first, as a worker that stays would.
                who = min(range(num_workers), key=lambda one: (free[one], resident[one] != group.part))
                load = expected.load(group) if resident[who] != group.part else 0.0
                load += expected.start if not resident[who] else 0.0
                resident[who] = group.part
                free[who] += load + sum(expected.job(job) for job in batch)
    return max(free)


def done_at(plan: Plan, schedule: Schedule, expected: Expected) -> dict[str, float]:
    jobs = {job.key: job for job in plan.jobs}
    return {
        key: span.begin + span.load + when
        for lane in schedule.lanes
        for span in lane
        for key, when in ends({key: expected.job(jobs[key]) for key in span.keys}, 1).items()
    }


def holds(plan: Plan, schedule: Schedule, expected: Expected) -> dict[str, float]:
    """Every job once, behind what it builds on; a worker does one thing at a time, and loads not too often."""
    done, jobs = done_at(plan, schedule, expected), {job.key: job for job in plan.jobs}
    keys = [key for lane in schedule.lanes for span in lane for key in span.keys]
    assert sorted(keys) == sorted(jobs)
    for lane in schedule.lanes:
        assert all(earlier.end <= later.begin + 1e-9 for earlier, later in pairwise(lane))
        assert sum(span.load > 0 for span in lane) <= len(plan.groups) + MOST_EXTRA_LOADS
        for span in lane:
            assert all(done[up] <= span.begin + 1e-9 for key in span.keys for up in jobs[key].upstream.values())
    return done


def idle_beside_work(plan: Plan, schedule: Schedule, expected: Expected, num_workers: int) -> list[tuple[int, str]]:
    """Workers that did nothing while a whole batch could have been run, which only a load too many excuses."""
    done, jobs = done_at(plan, schedule, expected), {job.key: job for job in plan.jobs}
    begun = {key: span.begin for lane in schedule.lanes for span in lane for key in span.keys}
    batches = [
        batch for group in plan.groups for part in group.batches for batch in cut(part, [settings()] * num_workers)
    ]
    found = []
    for worker, lane in enumerate(schedule.lanes):
        if sum(span.load > 0 for span in lane) >= MOST_EXTRA_LOADS + 2:
            continue
        bounds = [(0.0, lane[0].begin)] if lane else [(0.0, schedule.seconds)]
        bounds += [(one.end, two.begin) for one, two in pairwise(lane)]
        bounds += [(lane[-1].end, schedule.seconds)] if lane else []
        for begin, end in bounds:
            for batch in batches:
                ready = max((done[up] for job in batch for up in jobs[job.key].upstream.values()), default=0.0)
                if max(ready, begin) + 1e-6 < min(end, begun[batch[0].key]):
                    found.append((worker, batch[0].key))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("num_batches", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_over_many_batches_none_ends_later_than_with_a_barrier_and_no_one_idles_beside_work(
    plans: dict[float, Plan], num_batches: int
) -> None:
    random_ = random.Random(25)
    num_barriers = 0
    for _ in range(num_batches):
        plan, expected, num_workers = drawn(random_, plans), times(random_), random_.choice((1, 2, 3, 4, 8))

        schedule = best(plan, [settings()] * num_workers, expected)

        holds(plan, schedule, expected)
        assert schedule.seconds <= with_a_barrier(plan, expected, num_workers) + 1e-6
        if schedule.way is Way.BARRIER:
            num_barriers += 1
        else:
            assert idle_beside_work(plan, schedule, expected, num_workers) == []
    # A barrier is the exception: where a part is so slow to load that coming back to it costs more than waiting.
    assert num_barriers < num_batches / 10
