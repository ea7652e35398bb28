"""A night of sixty takes on a clock of its own: what is audible when its time is up, against who knew all times before.

The waves are the program's; what runs them is a table of seconds. `python -m tests.bench.until` has the same of real
renders with `mini`.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from renderer.models.family import part_of
from renderer.pipeline.project import Project
from renderer.pipeline.waves import PaceMeter, Waves, in_order
from renderer.plan.make import grouped_jobs
from renderer.run.events import JobDone, JobProgress, PartStarted
from tests.pipeline.conftest import Songs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from renderer.plan.jobs import Job, Plan
    from renderer.run.events import RunEvent

NUM_SONGS, NUM_SEEDS = 3, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Seconds that things take; of the LM's stages a round of `slots` songs takes those of its longest."""

    loads: Mapping[str, float]
    jobs: Mapping[str, float]
    slots: int

    def seconds(self, job: Job) -> float:
        """No two jobs take quite the same; by their takes' names, as keys are others whenever a stage changes."""
        drawn = int(hashlib.sha256(f"{job.stage} {job.takes[0]}".encode()).hexdigest()[:8], 16) / 16**8
        return self.jobs[job.stage] * (0.85 + 0.3 * drawn)


MACHINES = {
    "GPU": Machine(
        loads={"lm": 6.0, "dit": 5.0, "vae": 1.0},
        jobs={"cot": 2.0, "codes": 10.0, "latents": 3.0, "waveform": 0.6},
        slots=16,
    ),
    "laptop": Machine(
        loads={"lm": 20.0, "dit": 15.0, "vae": 3.0},
        jobs={"cot": 20.0, "codes": 240.0, "latents": 90.0, "waveform": 30.0},
        slots=4,
    ),
    "mini": Machine(
        loads={"lm": 0.8, "dit": 0.6, "vae": 0.2},
        jobs={"cot": 0.4, "codes": 2.0, "latents": 1.0, "waveform": 0.7},
        slots=4,
    ),
}


class Clock:
    """Stands still but for what runs."""

    def __init__(self) -> None:
        self.now = 0.0


def carried_out(plan: Plan, machine: Machine, clock: Clock, wants: Callable[[Job], bool]) -> Iterator[RunEvent]:
    """A plan's events, as an executor gives them; a job that is wanted no longer when it ends gave nothing."""
    for group in plan.groups:
        jobs = [job for job in group.jobs if wants(job)]
        if not jobs:
            continue
        yield PartStarted(group=group, num_jobs=len(jobs))
        clock.now += machine.loads[group.part]
        slots = machine.slots if part_of(group.files, group.part).at_once else 1
        for stage in dict.fromkeys(job.stage for job in jobs):
            waiting = (job for job in jobs if job.stage == stage)
            while batch := [job for job in islice(waiting, slots) if wants(job)]:
                for job in batch:
                    yield JobProgress(job=job, done=0, total=1, unit="steps")
                seconds = max(map(machine.seconds, batch))
                clock.now += seconds
                yield from (JobDone(job=job, seconds=seconds) for job in batch if wants(job))


def audible(plan: Plan, machine: Machine, deadline: float) -> int:
    """Takes that are whole when the time is up."""
    clock, done = Clock(), set[str]()
    waves = Waves(
        plan, PaceMeter(clock=lambda: clock.now), kept=(), seconds_left=lambda: deadline - clock.now
    )  # fmt: skip
    while clock.now < deadline and (wave := waves.next()):
        for event in carried_out(wave, machine, clock, lambda job: clock.now < deadline and waves.wants(job)):
            waves.hear(event)
            done |= {event.job.key} if isinstance(event, JobDone) else set()
    lacking = {name for job in plan.jobs if job.key not in done for name in job.takes}
    return sum(take.name not in lacking for take in plan.running)


def whole_batch(plan: Plan, machine: Machine, num_takes: int) -> float:
    """Seconds of the first so many takes in one wave."""
    names, clock = {*in_order(plan, ())[:num_takes]}, Clock()
    groups = grouped_jobs([job for job in plan.jobs if not names.isdisjoint(job.takes)])
    for _ in carried_out(replace(plan, groups=groups), machine, clock, bool):
        pass
    return clock.now


def oracle(plan: Plan, machine: Machine, deadline: float) -> int:
    """As many takes as one wave makes until then, all times known before."""
    numbers = range(1, len(plan.running) + 1)
    return bisect_right(numbers, deadline, key=lambda number: whole_batch(plan, machine, number))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Songs:
    made = Songs(tmp_path_factory.mktemp("night") / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker
    for number in range(NUM_SONGS):
        made.write(f"song-{number}")
        made.edit(f"song-{number}", "seeds = [1, 2]", f"seeds = [{', '.join(map(str, range(1, NUM_SEEDS + 1)))}]")
    return made


@pytest.fixture(scope="module")
def plans(songs: Songs) -> Mapping[str, Plan]:
    """Machine -> the night's plan there."""
    project = songs.project()
    by_slots = {name: replace(project.options, lm_slots=machine.slots) for name, machine in MACHINES.items()}
    return {name: Project(project.takes, options).plan() for name, options in by_slots.items()}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(("share", "least"), [(0.1, 0.7), (0.3, 0.7), (0.6, 0.8), (0.9, 0.8)])
def test_what_is_audible_at_the_deadline_is_most_of_what_could_be(
    plans: Mapping[str, Plan], name: str, share: float, least: float
) -> None:
    plan, machine = plans[name], MACHINES[name]
    deadline = share * whole_batch(plan, machine, len(plan.running))

    heard, best = audible(plan, machine, deadline), oracle(plan, machine, deadline)

    print(f"{name}: {share:.0%} of {deadline / share:.0f} s: {heard} of at best {best}")
    assert best >= 1 or share == 0.1, "loads alone may take a tenth of the night"
    assert heard >= least * best


def test_a_deadline_for_which_a_round_of_the_lm_is_too_long_leaves_music_all_the_same(
    plans: Mapping[str, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, machine = plans["mini"], MACHINES["mini"]
    deadline = 1.03 * whole_batch(plan, machine, 1)

    assert audible(plan, machine, deadline) == 1
    monkeypatch.setattr("renderer.plan.waves.SHORT_SECONDS", 0.0)
    assert audible(plan, machine, deadline) == 0, "what a first wave of a round leaves"
