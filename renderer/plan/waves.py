"""Takes, a measured pace and the time left -> the takes that come next as whole ones. Pure: no clock, no plan, no run.

Within a wave parts are loaded as seldom as its graph allows; each wave costs those loads once more. So waves are few:
a first one to measure by, then ones that leave half of the time for the case that the pace was wrong, and a last one
of what still fits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

MARGIN = 1.05
"""How much longer than estimated a wave is taken to be."""
GROWTH = 4
"""How many times as many takes as were measured a wave may have: further, a pace says too little."""
SHORT_SECONDS = 60.0
"""A time in which the first wave is a single take: beside it, what a round of the LM takes is no small thing."""
DEAR_LOADS = 0.2
"""The share of its loads in a wave's time from which on it is worth no further cutting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWork:
    """A job as waves know it."""

    part: str
    stage: str
    work: float = 1.0
    """How much it is beside others of its stage; any unit."""
    slots: int = 1
    """Jobs that its part works on at once, in about the time of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WavePace:
    """What was measured so far."""

    loads: Mapping[str, float] = field(default_factory=dict)
    """Part -> seconds until its first job runs."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Stage -> seconds a unit of `effective_work`."""


def effective_work(jobs: Sequence[JobWork]) -> float:
    """The work of a stage's jobs, those that run beside each other counted once."""
    total = sum(job.work for job in jobs)
    return max(total / max(job.slots for job in jobs), *(job.work for job in jobs))


def estimate(jobs: Iterable[JobWork], pace: WavePace, *, resident: Collection[str] = ()) -> float:
    """Seconds that the jobs take in one wave, loads included, but for the parts that are resident.

    A stage that wasn't measured is taken for as slow, job by job, as the slowest that was.
    """
    stages: dict[str, list[JobWork]] = {}
    for job in jobs:
        stages.setdefault(job.stage, []).append(job)
    seconds = {stage: effective_work(them) * pace.rates[stage] for stage, them in stages.items() if stage in pace.rates}
    slowest = max((seconds[stage] / len(stages[stage]) for stage in seconds), default=0.0)
    unknown = sum(len(them) for stage, them in stages.items() if stage not in seconds)
    parts = {job.part for them in stages.values() for job in them} - {*resident}
    load = max(pace.loads.values(), default=0.0)
    return sum(seconds.values()) + unknown * slowest + sum(pace.loads.get(part, load) for part in parts)


def fitting(
    takes: Mapping[str, Collection[str]],
    jobs: Mapping[str, JobWork],
    pace: WavePace,
    seconds: float,
    *,
    resident: Collection[str] = (),
) -> tuple[str, ...]:
    """The first of the takes, as many as are whole within so many seconds; `takes` has the jobs left of each."""
    names = tuple(takes)
    low, high = 0, len(names)
    while low < high:
        middle = (low + high + 1) // 2
        keys = dict.fromkeys(key for name in names[:middle] for key in takes[name])
        is_whole = estimate((jobs[key] for key in keys), pace, resident=resident) * MARGIN <= seconds
        low, high = (middle, high) if is_whole else (low, middle - 1)
    return names[:low]


def next_wave(
    takes: Mapping[str, Collection[str]], jobs: Mapping[str, JobWork], pace: WavePace, seconds: float, *, measured: int
) -> tuple[str, ...]:
    """The takes that come next, the first of `takes`; `measured` of them were made so far.

    Where not even one is whole in time it is one: what comes of it is kept for the next run.
    """
    names = tuple(takes)
    if not measured and seconds < SHORT_SECONDS:
        return names[:1]
    if not measured:
        # A part that works on many at once takes for them about the time of one.
        return names[: max((jobs[key].slots for keys in takes.values() for key in keys), default=1)]
    most = max(GROWTH * measured, 1)
    if estimate(jobs.values(), pace) * MARGIN <= seconds / 2:
        return names[:most]
    whole = fitting(takes, jobs, pace, seconds)
    half = fitting(takes, jobs, pace, seconds / 2)
    keys = dict.fromkeys(key for name in half for key in takes[name])
    cut = estimate((jobs[key] for key in keys), pace) if half else 0.0
    loads = sum(pace.loads.get(part, 0.0) for part in {job.part for job in jobs.values()})
    wave = whole if loads > DEAR_LOADS * cut else half
    return (wave or names[:1])[:most]


def most_waves(num_takes: int, slots: int) -> int:
    """How many waves so many takes run in where the time is just enough for them, loads being cheap."""
    job = JobWork(part="all", stage="all", slots=1)
    jobs = {str(number): job for number in range(num_takes)}
    pace, left, waves = WavePace(loads={"all": num_takes / 500}, rates={"all": 1.0}), num_takes * 1.25, 0
    measured = 0
    while jobs:
        takes = {name: (name,) for name in jobs}
        wave = next_wave(takes, jobs, pace, left, measured=measured) if waves else tuple(takes)[:slots]
        left -= len(wave)
        measured += len(wave)
        waves += 1
        jobs = {name: one for name, one in jobs.items() if name not in wave}
    return waves
