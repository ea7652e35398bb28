"""Who runs what next, and what again: for any number of workers, in any order of what becomes of the jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.errors import DeviceFault, InputLost, NodeLost, StageError, WorkerDied
from renderer.plan.jobs import Input
from renderer.plan.picking import PlanPick
from renderer.run.dispatcher import Batch, Dispatcher
from renderer.run.events import JobFailed, TakeFailed, WorkerLeftOut, WorkerRestarted
from tests.run.contract.harness import plan_of, registered
from tests.run.contract.harness import settings as harness_settings
from tests.run.contract.toy import ToyRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renderer.plan.jobs import Job, Plan
    from renderer.run.events import RunEvent

DIED = WorkerDied("it died")
NO = StageError("no")
LOST = InputLost("its story is gone")


@pytest.fixture(scope="module")
def twenty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """Twenty takes: of each stage two full batches of eight, and one of four."""
    with registered():
        yield plan_of(tmp_path_factory.mktemp("plan"), *(ToyRequest(name=f"{number:02}") for number in range(20)))


def dispatcher(plan: Plan, num_workers: int = 1) -> Dispatcher:
    return Dispatcher(plan, workers=[harness_settings()] * num_workers, is_wanted=lambda _: True)


def taken(of: Dispatcher, worker: int = 0) -> Batch:
    batch = of.next_batch(worker)
    assert batch is not None
    return batch


def well(of: Dispatcher, worker: int, batch: Batch) -> list[RunEvent]:
    """Every job of the batch gives its result."""
    of.loaded(worker, batch)
    for job in batch.left:
        batch.settled.add(job.key)
        assert list(of.finished(batch, job)) == []
    return list(of.ended(batch))


def names(batch: Batch) -> list[str]:
    return [f"{batch.stage} {job.takes[0]}" for job in batch.jobs.values()]


def test_batches_follow_the_plan_and_no_stage_begins_before_what_it_builds_on_is_there(twenty: Plan) -> None:
    one = dispatcher(twenty)
    handed_out = []

    while (batch := one.next_batch(0)) is not None:
        handed_out.append(names(batch))
        assert well(one, 0, batch) == []

    assert [len(batch) for batch in handed_out] == [8, 8, 4, 8, 8, 4]
    assert [name for batch in handed_out for name in batch] == [
        f"{stage} {number:02}" for stage in ("sketch", "sound") for number in range(20)
    ]


def test_what_is_in_a_batch_does_not_depend_on_who_is_free(twenty: Plan) -> None:
    alone, both = dispatcher(twenty, 2), dispatcher(twenty, 2)
    by_one, by_two = [], []

    while (batch := alone.next_batch(0)) is not None:
        by_one.append(names(batch))
        well(alone, 0, batch)
    while batches := [(worker, batch) for worker in (1, 0) if (batch := both.next_batch(worker))]:
        by_two += [names(batch) for _, batch in batches]
        for worker, batch in batches:
            well(both, worker, batch)

    assert sorted(by_one) == sorted(by_two)


def test_a_worker_goes_on_to_the_next_part_while_others_are_still_at_the_first(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    first, slow = taken(two, 0), taken(two, 1)
    well(two, 0, first)
    third = taken(two, 0)
    assert third.stage == "sketch"
    well(two, 0, third)

    assert two.next_batch(0) is not None
    assert slow.left


def test_none_runs_what_is_not_ready_and_a_worker_finds_what_is(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    late = taken(two, 1)
    while (batch := two.next_batch(0)) is not None:
        # What the other worker has is the first of the plan: what comes behind it needn't wait.
        assert not {job.takes for job in batch.jobs.values()} & {job.takes for job in late.jobs.values()}
        well(two, 0, batch)

    well(two, 1, late)
    left = taken(two, 1)
    assert {name.removeprefix("sound ") for name in names(left)} <= {job.takes[0] for job in late.jobs.values()}


def test_what_one_worker_cannot_load_others_do_and_it_is_left_out(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    broken = taken(two, 1)
    told = list(two.broken(broken, NO))
    assert [type(event) for event in told] == [WorkerRestarted]
    assert two.next_batch(1) is None

    (again,) = [batch for batch in [taken(two, 0)] if batch.jobs.keys() == broken.jobs.keys()]
    told = well(two, 0, again)

    assert [type(event) for event in told] == [WorkerLeftOut]
    assert two.workers == (0,)
    assert {name for batch in remaining(two) for name in names(batch) if "sound" in name} == {
        f"sound {number:02}" for number in range(20)
    }


def test_what_no_worker_can_load_is_given_up_and_none_is_left_out_for_it(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    told = [*two.broken(taken(two, 1), NO), *two.broken(taken(two, 0), NO)]

    assert Counter(type(event).__name__ for event in told) == {"WorkerRestarted": 1, "JobFailed": 20, "TakeFailed": 20}
    assert two.workers == (0, 1)


def test_a_worker_that_dies_over_jobs_that_others_do_well_is_left_out_and_no_job_is_lost(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    told: list[RunEvent] = []
    for _ in range(2):
        batch = taken(two, 1)
        two.loaded(1, batch)
        told += two.died(1, batch, DIED)
        suspect = taken(two, 0)
        assert len(suspect.jobs) == 1
        two.loaded(0, suspect)
        (job,) = suspect.left
        suspect.settled.add(job.key)
        told += [*two.finished(suspect, job), *two.ended(suspect)]

    assert [type(event) for event in told] == [WorkerRestarted, WorkerRestarted, WorkerLeftOut]
    assert two.workers == (0,)
    assert sum(len(batch.jobs) for batch in remaining(two)) == 38


def killed(of: Dispatcher, worker: int, error: WorkerDied = DIED) -> list[RunEvent]:
    """The worker dies with the first jobs of its batch begun, two where it has as many."""
    batch = taken(of, worker)
    of.loaded(worker, batch)
    for job in batch.left[:2]:
        batch.started[job.key] = 1.0
    return list(of.died(worker, batch, error))


def test_a_worker_that_is_killed_once_over_many_jobs_is_not_left_out_for_each_of_them(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    told = killed(two, 1)
    while (batch := two.next_batch(0)) is not None:
        told += well(two, 0, batch)

    assert [type(event) for event in told] == [WorkerRestarted]
    assert two.workers == (0, 1)


def test_a_worker_that_dies_again_before_it_gave_anything_is_left_out(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    assert [type(event) for event in killed(two, 1) + killed(two, 1)] == [
        WorkerRestarted,
        WorkerRestarted,
        WorkerLeftOut,
    ]
    while (batch := two.next_batch(0)) is not None:
        assert well(two, 0, batch) == []


def test_a_worker_whose_nodes_are_lost_again_and_again_stays_in_use(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    told: list[RunEvent] = []
    for _ in range(3):
        told += killed(two, 1, NodeLost("its node is gone"))
        told += [*well(two, 0, taken(two, 0)), *well(two, 0, taken(two, 0))]
    while (batch := two.next_batch(1)) is not None:
        told += well(two, 1, batch)

    assert [type(event) for event in told] == [WorkerRestarted] * 3
    assert two.workers == (0, 1)


def test_a_part_that_takes_node_after_node_along_is_given_up_in_the_end(twenty: Plan) -> None:
    one = dispatcher(twenty)
    told: list[RunEvent] = []
    while (batch := one.next_batch(0)) is not None:
        told += one.died(0, batch, NodeLost("its node is gone"))

    assert Counter(type(event).__name__ for event in told) == {"WorkerRestarted": 5, "JobFailed": 20, "TakeFailed": 20}


def test_jobs_that_two_workers_die_of_are_no_strikes_against_the_first(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    told = []
    for _ in range(2):
        told += killed(two, 1)
        culprit = taken(two, 0)
        two.loaded(0, culprit)
        told += two.died(0, culprit, DIED)
        told += [*well(two, 0, taken(two, 0)), *well(two, 1, taken(two, 1))]

    assert Counter(type(event).__name__ for event in told) == {"WorkerRestarted": 4, "JobFailed": 2, "TakeFailed": 2}
    assert two.workers == (0, 1)


def test_what_fails_in_company_runs_again_alone_and_then_is_given_up(twenty: Plan) -> None:
    one = dispatcher(twenty)
    batch = taken(one)
    (first, *_) = batch.jobs.values()
    assert list(one.failed(batch, first, NO)) == []
    well(one, 0, batch)

    again = taken(one)
    told = list(one.failed(again, first, NO))

    assert list(again.jobs.values()) == [first]
    assert [type(event) for event in told] == [JobFailed, TakeFailed]
    sounds = Counter(name for b in remaining(one) for name in names(b) if name.startswith("sound"))
    assert sounds == Counter(f"sound {number:02}" for number in range(1, 20))


def in_turns(of: Dispatcher, fails: Callable[[int, Job], bool]) -> list[RunEvent]:
    """Workers take a batch each in turn until nothing is left; jobs of which it is said so find their memory full."""
    told: list[RunEvent] = []
    while batches := [batch for worker in of.workers if (batch := of.next_batch(worker))]:
        for batch in batches:
            of.loaded(batch.worker, batch)
            for job in batch.left:
                batch.settled.add(job.key)
                full = fails(batch.worker, job)
                told += of.failed(batch, job, DeviceFault("it is full")) if full else of.finished(batch, job)
            told += of.ended(batch)
    return told


def test_a_gpu_whose_memory_is_taken_is_left_out_and_no_take_is_lost_for_it(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)

    told = in_turns(two, lambda worker, _: worker == 1)

    assert [type(event) for event in told] == [WorkerLeftOut]
    assert two.workers == (0,)


def test_a_job_that_is_too_large_for_every_gpu_fails_and_no_gpu_is_left_out(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)

    told = in_turns(two, lambda _, job: job.takes == ("03",))

    assert [type(event) for event in told] == [JobFailed, TakeFailed]
    assert two.workers == (0, 1)


def test_what_lost_its_input_runs_once_more_however_few_were_sent_with_it(twenty: Plan) -> None:
    one = dispatcher(twenty)
    batch = taken(one)
    (first, *_) = batch.jobs.values()
    list(one.failed(batch, first, NO))
    well(one, 0, batch)

    alone = taken(one)
    assert list(alone.jobs.values()) == [first]
    assert list(one.failed(alone, first, LOST)) == []
    once_more = taken(one)
    assert list(once_more.jobs.values()) == [first]
    assert [type(event) for event in one.failed(once_more, first, LOST)] == [JobFailed, TakeFailed]


def test_what_is_only_wanted_beside_the_sound_costs_no_take_when_it_fails(twenty: Plan) -> None:
    jobs = twenty.jobs[:1]
    beside = replace(jobs[0], spec=replace(jobs[0].spec, wanted=True))
    one = dispatcher(replace(twenty, groups=(replace(twenty.groups[0], jobs=(beside,)),)))
    batch = taken(one)
    one.loaded(0, batch)

    told = list(one.failed(batch, beside, NO))

    assert [type(event) for event in told] == [JobFailed]


def test_who_was_at_work_when_the_worker_died_is_suspected_and_the_others_run_together(twenty: Plan) -> None:
    one = dispatcher(twenty)
    batch = taken(one)
    one.loaded(0, batch)
    done, suspect, *others = batch.jobs.values()
    batch.settled.add(done.key)
    batch.started |= {done.key: 0.0, suspect.key: 1.0}

    told = list(one.died(0, batch, DIED))

    assert [type(event) for event in told] == [WorkerRestarted]
    assert list(taken(one).jobs.values()) == [suspect]
    assert list(taken(one).jobs.values()) == others


def test_a_job_that_two_workers_died_of_is_given_up(twenty: Plan) -> None:
    one = dispatcher(twenty)
    (suspect, *_) = taken(one).jobs.values()
    one = dispatcher(twenty)

    for _ in range(2):
        batch = taken(one)
        assert next(iter(batch.jobs.values())) == suspect
        one.loaded(0, batch)
        told = list(one.died(0, batch, DIED))

    assert [type(event) for event in told] == [WorkerRestarted, JobFailed, TakeFailed]


def test_a_worker_that_dies_again_and_again_while_loading_is_left_out_but_for_the_last(twenty: Plan) -> None:
    two = dispatcher(twenty, 2)
    told = [event for _ in range(2) for event in two.died(1, taken(two, 1), DIED)]
    assert [type(event) for event in told] == [WorkerRestarted, WorkerLeftOut]
    assert two.workers == (0,)

    told = [event for _ in range(2) for event in two.died(0, taken(two, 0), DIED)]

    assert two.workers == (0,)
    assert Counter(type(event).__name__ for event in told) == {
        "WorkerRestarted": 2,
        "JobFailed": 20,
        "TakeFailed": 20,
    }
    assert two.next_batch(0) is None


def remaining(of: Dispatcher) -> Iterator[Batch]:
    while (batch := of.next_batch(0)) is not None:
        yield batch
        well(of, 0, batch)


OUTCOMES = st.lists(st.sampled_from(["done", "failed", "died", "died loading", "broken", "cancelled"]), max_size=60)


@settings(max_examples=200)
@given(outcomes=OUTCOMES, num_workers=st.integers(1, 4), data=st.data())
def test_whatever_becomes_of_them_every_job_ends_once_and_no_worker_waits_for_ever(  # noqa: C901 - a case an outcome
    twenty: Plan, outcomes: list[str], num_workers: int, data: st.DataObject
) -> None:
    of = dispatcher(twenty, num_workers)
    running: dict[int, Batch] = {}
    ended: Counter[str] = Counter()
    deaths: Counter[str] = Counter()

    def hear(events: Iterator[RunEvent]) -> None:
        ended.update(event.job.key for event in events if isinstance(event, JobFailed))

    while True:
        for worker in of.workers:
            if worker not in running and (batch := of.next_batch(worker)):
                assert all(up in ended for job in batch.jobs.values() for up in job.upstream.values())
                running[worker] = batch
        if not running:
            break
        worker = data.draw(st.sampled_from(sorted(running)))
        batch, outcome = running.pop(worker), outcomes.pop() if outcomes else "done"
        if outcome == "died loading":
            hear(of.died(worker, batch, DIED))
            continue
        of.loaded(worker, batch)
        job, *others = batch.left
        match outcome:
            case "failed":
                hear(of.failed(batch, job, NO))
            case "cancelled":
                of.cancelled(batch, [job])
                ended[job.key] += 1
            case "broken":
                hear(of.broken(batch, NO))
                continue
            case "died":
                deaths[job.key] += 1
                hear(of.died(worker, batch, DIED))
                continue
            case _:
                others = [job, *others]
        for one in others:
            batch.settled.add(one.key)
            list(of.finished(batch, one))
            ended[one.key] += 1
        hear(of.ended(batch))

    lost = {take for key, count in ended.items() if count for take in (key.rpartition(" ")[2],)}
    assert max(ended.values()) == 1
    assert max(deaths.values(), default=0) <= 2
    assert {job.takes[0] for job in twenty.jobs} == lost


def test_what_builds_on_what_nobody_makes_fails_and_is_not_forgotten(twenty: Plan) -> None:
    _, brush = twenty.groups
    ring = replace(brush.jobs[0], inputs={"sketch": Input(stage="sound", key=brush.jobs[0].key)})
    one = Dispatcher(
        replace(twenty, groups=(replace(brush, jobs=(ring,)),)), workers=[harness_settings()], is_wanted=lambda _: True
    )

    assert one.next_batch(0) is None
    assert [type(event) for event in one.never_ready()] == [JobFailed, TakeFailed]


def test_a_plan_without_a_score_fails_its_take_and_others_are_chosen_without_it(twenty: Plan) -> None:
    sketches, sounds = twenty.groups
    pick = PlanPick(
        takes=tuple(take.name for take in twenty.takes),
        stage="sketch",
        scores={take.name: take.keys["sketch"] for take in twenty.takes},
        finish=2,
        always=frozenset({"03"}),
    )
    scoring = tuple(replace(job, spec=replace(job.spec, wanted=True)) for job in sketches.jobs)
    gated = tuple(replace(job, picks=(pick,), inputs={}) for job in sounds.jobs)
    plan = replace(twenty, groups=(replace(sketches, jobs=scoring), replace(sounds, jobs=gated)), picks=(pick,))
    chosen = {"02", "03"}
    one = Dispatcher(
        plan,
        workers=[harness_settings()],
        is_wanted=lambda _: True,
        is_picked=lambda job: not chosen.isdisjoint(job.takes),
    )
    told: list[RunEvent] = []
    ran: list[str] = []

    while (batch := one.next_batch(0)) is not None:
        one.loaded(0, batch)
        ran += names(batch) if batch.stage == "sound" else []
        for job in batch.left:
            if batch.stage == "sketch" and job.takes[0] in ("01", "03"):
                told += one.failed(batch, job, NO)
            else:
                batch.settled.add(job.key)
                told += one.finished(batch, job)
        told += one.ended(batch)

    assert ran == ["sound 02", "sound 03"]
    assert [event.take.name for event in told if isinstance(event, TakeFailed)] == ["01"]
