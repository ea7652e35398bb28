"""How fast a part goes and when it will be through: what its bar and its lines tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.errors import StageError
from renderer.models.ace_step.stages import FAMILY
from renderer.models.model_files import ModelFiles
from renderer.plan.jobs import Job
from renderer.run.events import JobDone, JobFailed, JobProgress
from renderer.run.pace import Pace
from tests.models.ace_step.asks import OPEN, codes_request, cot_request

if TYPE_CHECKING:
    from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest

FILES = ModelFiles(
    family="ace_step", name="tiny", kind="turbo", layout="diffusers", dit="", vae="", text_encoder="", lm=""
)


def job(key: str, request: CodesRequest | CotRequest) -> Job:
    stage = "cot" if type(request).__name__ == "CotRequest" else "codes"
    return Job(spec=FAMILY.stages[stage], key=key, request=request, settings={}, inputs={}, files=FILES, takes=(key,))


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pace(clock: Clock, *jobs: Job) -> Pace:
    return Pace({one.key: one for one in jobs}, clock)


def run(on: Pace, clock: Clock, jobs: tuple[Job, ...], steps: range, total: int) -> None:
    """A token a second for each of the jobs."""
    for step in steps:
        clock.seconds += 1.0
        for one in jobs:
            on.hear(JobProgress(job=one, done=step, total=total, unit="tokens"))


def test_before_anything_was_heard_nothing_is_claimed(clock: Clock) -> None:
    fresh = pace(clock, job("a", codes_request()))

    assert (fresh.per_second, fresh.seconds_left, fresh.in_flight, fresh.share) == (None, None, 0, 0.0)


def test_songs_at_once_add_up_and_the_rest_is_told_by_what_they_ask_for(clock: Clock) -> None:
    jobs = tuple(job(key, codes_request()) for key in "abc")
    going = pace(clock, *jobs)

    run(going, clock, jobs[:2], range(1, 21), 50)

    assert going.in_flight == 2
    assert going.per_second == pytest.approx(2.0, rel=0.1)
    # 30 tokens each are left of two, 50 of the third.
    assert going.seconds_left == pytest.approx(55, rel=0.1)
    assert going.share == pytest.approx(40 / 150)


def test_a_chain_of_thought_is_told_by_what_others_took_not_by_its_limit(clock: Clock) -> None:
    jobs = tuple(job(key, cot_request()) for key in "ab")
    going = pace(clock, *jobs)
    run(going, clock, jobs[:1], range(1, 81), 640)

    going.hear(JobDone(job=jobs[0], seconds=80))

    assert going.num_done == 1
    assert going.seconds_left == pytest.approx(80, rel=0.1)


def test_a_song_whose_length_nobody_gave_is_told_by_the_others(clock: Clock) -> None:
    jobs = tuple(job(key, codes_request(metas=OPEN)) for key in "ab")
    going = pace(clock, *jobs)
    run(going, clock, jobs[:1], range(1, 31), 300)

    going.hear(JobDone(job=jobs[0], seconds=30))

    assert going.seconds_left == pytest.approx(30, rel=0.1)


def test_what_told_nothing_before_its_end_is_through_all_the_same(clock: Clock) -> None:
    one = job("a", codes_request())
    going = pace(clock, one)

    going.hear(JobDone(job=one, seconds=0.01))

    assert (going.share, going.num_done, going.seconds_left) == (1.0, 1, None)


def test_the_rate_is_what_it_was_lately(clock: Clock) -> None:
    (one,) = jobs = (job("a", codes_request(metas=replace(OPEN, duration=600))),)
    going = pace(clock, one)
    run(going, clock, jobs, range(1, 30), 3000)

    run(going, clock, jobs, range(100, 3000, 100), 3000)

    assert going.per_second == pytest.approx(100, rel=0.1)


def test_what_failed_is_over_and_what_runs_again_is_not(clock: Clock) -> None:
    jobs = tuple(job(key, codes_request()) for key in "ab")
    going = pace(clock, *jobs)
    run(going, clock, jobs, range(1, 11), 50)

    going.hear(JobFailed(job=jobs[0], error=StageError("no")))
    assert (going.num_done, going.in_flight) == (1, 1)
    going.hear(JobProgress(job=jobs[0], done=1, total=50, unit="tokens"))

    assert (going.num_done, going.in_flight) == (0, 2)
