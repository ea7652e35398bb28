"""A plan with a deadline, run wave after wave: what was measured decides what comes next and what later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from renderer.models.family import part_of
from renderer.plan.make import grouped_jobs
from renderer.plan.waves import JobWork, WavePace, effective_work, fitting, most_waves, next_wave
from renderer.run.events import JobDone, JobFailed, JobProgress, PartStarted, TakeFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from renderer.plan.jobs import Job, Plan
    from renderer.run.events import RunEvent


def work_of(job: Job) -> JobWork:
    """The job as waves know it."""
    at_once = part_of(job.files, job.part).at_once
    # Of such a part the one size is how many jobs it works on at once.
    slots = max(job.settings.sizes.values(), default=1) if at_once else 1
    return JobWork(part=job.part, stage=job.stage, work=job.spec.cost.work(job.request), slots=slots)


def in_order(plan: Plan, kept: Iterable[str]) -> tuple[str, ...]:
    """The takes that run, kept ones first, then changed songs as the plan has them."""
    liked = {*kept}
    return tuple(take.name for take in sorted(plan.running, key=lambda take: take.name not in liked))


class WaveNumbers(NamedTuple):
    """What is known of a plan's waves before anything is measured."""

    first: int
    """Takes of the first one."""
    at_most_about: int
    """How many there are where the time is just enough; two with time in plenty."""


def waves_of(plan: Plan) -> WaveNumbers:
    """Of a plan with something to run."""
    num_takes, slots = len(plan.running), max(work_of(job).slots for job in plan.jobs)
    return WaveNumbers(min(num_takes, slots), most_waves(num_takes, slots))


class PaceMeter:
    """What parts and stages take, by a run's events; of each the latest wave's."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, from whenever."""
        self._clock = clock
        self._started: dict[str, float] = {}
        """When a part began to be loaded, until its first sign of life."""
        self._began: dict[str, float] = {}
        """When a stage's first job of this wave began."""
        self._done: dict[str, list[JobWork]] = {}
        self.pace = WavePace()

    def begin_wave(self) -> None:
        """Measure anew; what was measured holds until then."""
        self._started, self._began, self._done = {}, {}, {}

    def hear(self, event: RunEvent) -> None:
        """Take an event in."""
        now = self._clock()
        match event:
            case PartStarted(part=part):
                self._started[part] = now
            case JobProgress(job=job):
                self._begin(job, now)
            case JobDone(job=job, seconds=seconds):
                # A job's first word may be its last.
                self._begin(job, now - seconds)
                self._finish(job, now)
            case _:
                pass

    def _begin(self, job: Job, at: float) -> None:
        self._began.setdefault(job.stage, at)
        if job.part in self._started:
            seconds = max(0.0, at - self._started.pop(job.part))
            self.pace = replace(self.pace, loads={**self.pace.loads, job.part: seconds})

    def _finish(self, job: Job, now: float) -> None:
        done = self._done.setdefault(job.stage, [])
        done.append(work_of(job))
        rate = max(0.0, now - self._began[job.stage]) / effective_work(done)
        self.pace = replace(self.pace, rates={**self.pace.rates, job.stage: rate})


class Waves:
    """What is left of a plan, and the wave that runs."""

    def __init__(
        self,
        plan: Plan,
        meter: PaceMeter,
        *,
        kept: Iterable[str],
        seconds_left: Callable[[], float],
        left_out: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """`left_out` gives the takes that scores have decided against so far."""
        self._plan = plan
        self._meter = meter
        self._seconds_left, self._left_out = seconds_left, left_out
        self._jobs = {job.key: job for job in plan.jobs}
        self._works = {key: work_of(job) for key, job in self._jobs.items()}
        keys: dict[str, list[str]] = {name: [] for name in in_order(plan, kept)}
        hanging = _hanging(plan)
        for job in plan.jobs:
            for name in hanging[job.key]:
                keys[name].append(job.key)
        self._left = {name: dict.fromkeys(own) for name, own in keys.items() if own}
        """Take -> the jobs that it still hangs on, in running order."""
        self._wave: tuple[str, ...] = ()
        self._later: set[str] = set()
        """Takes of the wave that would not be whole in time."""
        self._num_measured = 0

    def next(self) -> Plan | None:
        """The wave that comes next, as a plan; None when all has run."""
        self._end_wave()
        if not self._left:
            return None
        works = {key: self._works[key] for keys in self._left.values() for key in keys}
        self._wave = next_wave(self._left, works, self._meter.pace, self._seconds_left(), measured=self._num_measured)
        self._later = set()
        self._meter.begin_wave()
        wanted = {key for name in self._wave for key in self._left[name]}
        groups = grouped_jobs([job for key, job in self._jobs.items() if key in wanted])
        return replace(self._plan, groups=groups)

    def wants(self, job: Job) -> bool:
        """Whether the job is for a take that will be whole in time."""
        return not self._later or not self._later.issuperset(name for name in job.takes if name in self._wave)

    def hear(self, event: RunEvent) -> None:
        """Take an event in, and put off what won't be whole in time."""
        self._meter.hear(event)
        match event:
            case JobDone(job=job):
                for left in self._left.values():
                    left.pop(job.key, None)
                if not part_of(job.files, job.part).at_once:
                    self._put_off({job.part})
            case JobFailed(job=job):
                for name in job.takes:
                    self._left.pop(name, None)
            case TakeFailed(take=take):
                self._left.pop(take.name, None)
            case PartStarted(part=part, group=group) if not part_of(group.files, part).at_once:
                self._put_off(set())
            case _:
                pass

    def _put_off(self, resident: set[str]) -> None:
        """Leave to a later wave, or the next run, whose turn would come too late; those that are furthest stay."""
        for name in self._left_out():
            self._left.pop(name, None)
        waiting = [name for name in self._wave if self._left.get(name) and name not in self._later]
        waiting.sort(key=lambda name: len(self._left[name]))
        if len(waiting) > 1:
            takes = {name: self._left[name] for name in waiting}
            whole = fitting(takes, self._works, self._meter.pace, self._seconds_left(), resident=resident)
            self._later |= {*waiting[1:]} - {*whole}

    def _end_wave(self) -> None:
        self._num_measured += len(self._wave)
        for name in self._wave:
            # What neither came nor failed though its turn did isn't tried again and again.
            if name not in self._later or not self._left[name]:
                self._left.pop(name, None)
        self._wave = ()


def _hanging(plan: Plan) -> Mapping[str, Collection[str]]:
    """Job -> the takes that can't be whole without it: where scores choose takes, all of them hang on every plan."""
    jobs = {job.key: job for job in plan.jobs}
    hanging = {key: dict.fromkeys(job.takes) for key, job in jobs.items()}
    for job in jobs.values():
        waiting = [key for pick in job.picks for key in pick.scores.values() if key in jobs]
        above = set(waiting)
        while waiting:
            more = [key for key in jobs[waiting.pop()].upstream.values() if key in jobs and key not in above]
            above.update(more)
            waiting += more
        for key in above:
            hanging[key] |= dict.fromkeys(job.takes)
    return hanging
