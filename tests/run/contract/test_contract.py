"""What an executor must do, with one worker and with several: real processes, a family without a model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from renderer.errors import InputLost, ModelError, StoreError
from renderer.plan.picking import PlanPick
from renderer.run.events import (
    BatchDone,
    ComponentLoaded,
    JobDone,
    JobFailed,
    JobProgress,
    PartStarted,
    TakeFailed,
    WorkerLeftOut,
    WorkerRestarted,
)
from renderer.run.spool import MOST_SPOOLED_BYTES
from tests.impatient import Impatient
from tests.patience import PATIENCE_SECONDS
from tests.run.contract.harness import FolderSink, plan_of, run
from tests.run.contract.toy import ToyRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent
    from renderer.run.sink import PendingWrite
    from tests.run.contract.conftest import Make

pytestmark = pytest.mark.slow
SLOW = 0.05  # seconds a step


def takes(number: int, **asked: object) -> list[ToyRequest]:
    return [ToyRequest(name=f"take{at:02}", **asked) for at in range(number)]  # type: ignore[arg-type]


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def devices(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return ("cpu",) * request.param


@pytest.fixture
def sink(tmp_path: Path) -> FolderSink:
    return FolderSink(tmp_path / "results")


def test_what_scores_choose_among_waits_for_all_of_them_and_the_rest_never_runs(
    make: Make, sink: FolderSink, tmp_path: Path, devices: tuple[str, ...]
) -> None:
    plan = plan_of(tmp_path, *takes(10))
    pick = PlanPick(
        takes=tuple(take.name for take in plan.takes),
        stage="sketch",
        scores={take.name: take.keys["sketch"] for take in plan.takes},
        finish=3,
        always=frozenset({"take02"}),
    )
    sketches, sounds = plan.groups
    gated = replace(sounds, jobs=tuple(replace(job, picks=(pick,)) for job in sounds.jobs))

    heard = run(make(*devices), replace(plan, groups=(sketches, gated), picks=(pick,)), sink)

    assert sorted(key for key in heard.done if key.startswith("sound")) == [
        f"sound of take{number}" for number in ("02", "07", "08", "09")
    ]
    assert not [event for event in heard.events if isinstance(event, JobFailed | TakeFailed)]


def test_one_worker_tells_a_part_its_loading_its_jobs_and_each_job_once_it_is_there(
    make: Make, sink: FolderSink, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, *takes(10))
    done = []

    def is_there(event: RunEvent) -> None:
        if isinstance(event, JobDone):
            done.append(event.job.key)
            assert sink.written == done

    heard = run(make("cpu"), plan, sink, listen=is_there)

    assert heard.done == [job.key for job in plan.jobs]
    kinds = [type(event) for event in heard.events if not isinstance(event, JobProgress | BatchDone)]
    # Ten jobs are two batches: a part that stays is loaded once.
    of_a_part = [PartStarted, ComponentLoaded, *[JobDone] * 10]
    assert kinds == [*of_a_part, *of_a_part]
    assert all(heard.of(job.key) == ["JobProgress", "JobDone"] for job in plan.jobs)


def test_what_follows_a_part_is_prefetched_and_handed_to_its_load(make: Make, sink: FolderSink, tmp_path: Path) -> None:
    executor, plan = make("cpu"), plan_of(tmp_path, *takes(2), model="early")

    heard = [run(executor, plan, sink), run(executor, plan, sink)]

    for number, one in enumerate(heard, start=1):
        loads = [event.component for event in one.events if isinstance(event, ComponentLoaded)]
        assert loads == ["pencil", f"brush prefetched {number}"]


def test_what_cannot_be_prefetched_ends_nothing_that_is_at_work(make: Make, sink: FolderSink, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, *takes(2), model="too early")

    heard = run(make("cpu"), plan, sink)

    assert heard.done == [job.key for job in plan.jobs]


def test_any_number_of_workers_give_the_same_bytes_and_tell_the_same_of_each_job(make: Make, tmp_path: Path) -> None:
    requests = [
        *takes(20, seconds=8.0),
        ToyRequest(name="lost", fails="always"),
        ToyRequest(name="shy", fails="in company"),
    ]
    plan = plan_of(tmp_path, *requests)
    told, contents = [], []

    for number in (1, 2, 3):
        sink = FolderSink(tmp_path / f"results{number}")
        heard = run(make(*["cpu"] * number), plan, sink)
        told.append({job.key: heard.of(job.key) for job in plan.jobs})
        contents.append(sink.contents())
        assert heard.lost == ["lost"]

    assert len(contents[0]) == 42
    assert contents[0] == contents[1] == contents[2]
    assert told[0] == told[1] == told[2]


def test_every_worker_is_given_work(make: Make, sink: FolderSink, tmp_path: Path) -> None:
    executor, seen = make("cpu", "cpu"), set[int]()

    run(
        executor,
        plan_of(tmp_path, *takes(16, step_seconds=SLOW)),
        sink,
        listen=lambda _: seen.update(pid for pid in executor.pids if psutil.Process(pid).cpu_times().user > 0),
    )

    assert len(seen) == 2


def test_a_job_that_ends_its_worker_once_runs_again_and_nothing_is_done_twice(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, *takes(7), ToyRequest(name="fatal", dies=str(tmp_path / "deaths"), deaths=1))

    heard = run(make(*devices), plan, sink)

    assert heard.count(WorkerRestarted) == 1
    assert Counter(heard.done) == Counter(job.key for job in plan.jobs)
    assert (heard.failed, sink.leftovers()) == ([], [])


def test_a_device_that_is_lost_costs_its_worker_and_no_job(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    lost = ToyRequest(name="lost", loses=str(tmp_path / "lost"))

    heard = run(make(*devices), plan_of(tmp_path, *takes(7), lost), sink)

    (restarted,) = [event for event in heard.events if isinstance(event, WorkerRestarted)]
    assert restarted.error.why == "an illegal address"
    assert len(heard.done) == len(set(heard.done)) == 16
    assert (heard.failed, sink.leftovers()) == ([], [])


def test_a_job_that_ends_two_workers_fails_and_costs_its_take_only(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    words = tmp_path / "words"
    fatal = ToyRequest(name="fatal", dies=str(tmp_path / "deaths"), deaths=9, heard=str(words))

    def note(event: RunEvent) -> None:
        # Its first word is heard before its worker dies: so it is known whose fault that is.
        if isinstance(event, JobProgress) and event.job.takes == ("fatal",) and event.done == 1:
            with words.open("a") as file:
                file.write("heard\n")

    heard = run(make(*devices), plan_of(tmp_path, *takes(4), fatal, *takes(7)[4:]), sink, listen=note)

    assert heard.count(WorkerRestarted) == 2
    assert (heard.failed, heard.lost) == (["sketch of fatal"], ["fatal"])
    assert len(heard.done) == len(set(heard.done)) == 14
    assert "SIGKILL" in next(event for event in heard.events if isinstance(event, JobFailed)).error.message


def test_a_worker_that_cant_load_anything_is_left_out_and_the_others_do_its_work(
    make: Make, sink: FolderSink, tmp_path: Path
) -> None:
    known = tmp_path / "known"

    def note(event: RunEvent) -> None:
        if isinstance(event, WorkerLeftOut):
            known.touch()

    # The other has work until this one has been started twice, however long that takes.
    heard = run(make("cpu", "cursed"), plan_of(tmp_path, *takes(16, awaits=str(known))), sink, listen=note)

    left_out = [event for event in heard.events if isinstance(event, WorkerLeftOut)]
    assert [event.worker for event in left_out] == [1]
    assert (len(heard.done), heard.failed) == (32, [])


def test_where_no_worker_can_load_a_part_its_jobs_fail_and_the_run_ends(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    heard = run(make(*["cursed" for _ in devices]), plan_of(tmp_path, *takes(4)), sink)

    assert heard.done == []
    assert sorted(heard.lost) == [f"take{at:02}" for at in range(4)]


def test_a_worker_that_hangs_is_ended_and_its_job_runs_again(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    hung, restarted = tmp_path / "hung", []
    hanging = ToyRequest(name="hanging", hangs=str(hung))

    def note(event: RunEvent) -> None:
        restarted.extend([event.error.message] if isinstance(event, WorkerRestarted) else [])

    watchdog = Impatient(hangs=lambda: hung.exists() and not restarted)
    heard = run(make(*devices, watchdog=watchdog), plan_of(tmp_path, *takes(7), hanging), sink, listen=note)

    # A worker beside it may have been as silent.
    assert restarted
    assert all("said nothing" in message for message in restarted)
    assert (len(heard.done), heard.failed) == (16, [])


def test_what_nobody_wants_any_more_stops_and_the_rest_is_done(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    executor = make(*devices)
    slow = ToyRequest(name="slow", step_seconds=1.0)
    plan = plan_of(tmp_path, slow, *takes(6, step_seconds=SLOW))
    begun: list[str] = []

    def note(event: RunEvent) -> None:
        if isinstance(event, JobProgress):
            begun.extend(event.job.takes)

    cancelled = run(executor, plan, sink, listen=note, is_wanted=lambda job: job.takes != ("slow",) or not begun)
    assert sorted(cancelled.done) == sorted(job.key for job in plan.jobs if job.takes != ("slow",))
    assert (cancelled.failed, cancelled.lost) == ([], [])

    # What was given up may be wanted later, by the same workers.
    again = run(executor, plan_of(tmp_path, replace(slow, step_seconds=0.0)), sink)
    assert again.done == ["sketch of slow", "sound of slow"]
    assert again.count(WorkerRestarted) == 0


def test_a_run_that_is_left_leaves_no_worker_in_the_middle_of_its_jobs(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    executor = make(*devices)
    left = executor.run(plan_of(tmp_path, *takes(8, step_seconds=SLOW)), sink=sink, is_wanted=lambda _: True)
    for event in left:
        if isinstance(event, JobProgress):
            break
    left.close()  # type: ignore[attr-defined]

    heard = run(executor, plan_of(tmp_path, ToyRequest(name="other")), sink)

    assert heard.done == ["sketch of other", "sound of other"]
    assert sink.leftovers() == []


def test_a_run_whose_workers_are_ended_from_another_thread_comes_to_its_end(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    executor, ended = make(*devices), threading.Event()

    def end(event: RunEvent) -> None:
        if isinstance(event, JobProgress) and not ended.is_set():
            ended.set()
            ending = threading.Thread(target=executor.end)
            ending.start()
            ending.join()

    plan = plan_of(tmp_path, *takes(8, step_seconds=SLOW))
    heard = run(executor, plan, sink, listen=end, is_wanted=lambda _: not ended.is_set())

    assert (heard.failed, heard.lost) == ([], [])


class Refusing(FolderSink):
    """Its drive is full from the third result on."""

    def finish(self, job: Job, content: bytes) -> Iterator[RunEvent]:
        if len(self.written) == 3:
            raise StoreError("no room")
        return super().finish(job, content)


def test_a_result_that_cant_be_kept_ends_the_run_and_the_next_goes_on(
    make: Make, devices: tuple[str, ...], tmp_path: Path
) -> None:
    executor, plan = make(*devices), plan_of(tmp_path, *takes(6))
    done: list[str] = []

    def note(event: RunEvent) -> None:
        done.extend([event.job.key] if isinstance(event, JobDone) else [])

    full = Refusing(tmp_path / "results")
    with pytest.raises(StoreError, match="no room"):
        run(executor, plan, full, listen=note)
    assert done == full.written
    assert len(done) == 3

    assert len(run(executor, plan, FolderSink(tmp_path / "results")).done) == 12


class Forgetful(FolderSink):
    """What the first sound belongs to turns out to be lost once it is written."""

    lost = False

    def finish(self, job: Job, content: bytes) -> Iterator[RunEvent]:
        if job.stage == "sound" and not self.lost:
            self.lost = True
            raise InputLost("its story is gone")
        return super().finish(job, content)


def test_a_result_whose_companion_is_lost_is_made_once_more(
    make: Make, devices: tuple[str, ...], tmp_path: Path
) -> None:
    sink = Forgetful(tmp_path / "results")

    heard = run(make(*devices), plan_of(tmp_path, *takes(6)), sink)

    assert sink.lost
    assert Counter(heard.done) == Counter(sink.written)
    assert (len(heard.done), heard.failed) == (12, [])


class Slow(FolderSink):
    """Writes more slowly than workers make, and sees how much waits."""

    most = 0

    def write(self, job: Job, artifact: Artifact) -> PendingWrite:
        time.sleep(0.02)
        self.most = max(self.most, sum(path.stat().st_size for path in self.leftovers() if path.exists()))
        return super().write(job, artifact)

    def finish(self, job: Job, content: bytes) -> Iterator[RunEvent]:
        self.written.append(job.key)
        if job.stage == "sketch":
            self._path(job.key).write_bytes(content)
        return iter(())


def test_memory_and_the_files_under_way_stay_flat_however_much_is_made(
    make: Make, devices: tuple[str, ...], tmp_path: Path
) -> None:
    """A gigabyte of sound, 48 MB each."""
    sink, process = Slow(tmp_path / "results"), psutil.Process()
    before, most = process.memory_info().rss, 0

    def look(_: RunEvent) -> None:
        nonlocal most
        most = max(most, process.memory_info().rss)

    heard = run(make(*devices), plan_of(tmp_path, *takes(22, seconds=125.0)), sink, listen=look)

    assert len(heard.done) == 44
    assert most - before < 600_000_000
    assert sink.most <= len(devices) * MOST_SPOOLED_BYTES
    assert sink.leftovers() == []


def test_what_cant_be_loaded_later_is_told_before_anything_runs(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="the brush is unfit"):
        run(make(*devices), plan_of(tmp_path, *takes(4), model="unfit brush"), sink)

    assert sink.written == []


def test_a_part_that_cant_be_loaded_fails_its_jobs_with_its_own_words(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    heard = run(make(*devices), plan_of(tmp_path, *takes(4), model="broken brush"), sink)

    errors = {event.error.message for event in heard.events if isinstance(event, JobFailed)}
    assert errors == {"the brush is broken"}
    assert (len(heard.done), sorted(heard.failed)) == (4, [f"sound of take{at:02}" for at in range(4)])


def test_a_folder_that_takes_no_sound_costs_no_take(
    make: Make, sink: FolderSink, devices: tuple[str, ...], tmp_path: Path
) -> None:
    sink.spool_folder.rmdir()

    assert len(run(make(*devices), plan_of(tmp_path, *takes(4, seconds=8.0)), sink).done) == 8


PARENT = """
import sys
import threading
from pathlib import Path
from renderer.models.model_files import Residency
from renderer.run.executor import EXECUTORS, ExecutorConfig
from renderer.run.events import JobProgress
from tests.run.contract import harness
from tests.run.contract.test_contract import takes

name, folder, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
harness.register()
settings = (harness.settings(),) * number
log = folder / "worker.log"
config = ExecutorConfig(settings=settings, log=log, residency=Residency.ALONE, module=harness.WORKER)
executor = EXECUTORS[name].make(config)
plan = harness.plan_of(folder, *takes(30, seconds=100.0))
for event in executor.run(plan, sink=harness.FolderSink(folder / "results"), is_wanted=lambda _: True):
    if isinstance(event, JobProgress) and event.job.stage == "sound":
        print("sounding", flush=True)
"""


def test_a_parent_that_is_killed_leaves_no_worker_and_no_sound(
    row: str, devices: tuple[str, ...], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PARENT, row, str(tmp_path), str(len(devices))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        for _ in range(6):
            assert parent.stdout.readline() == "sounding\n"
        orphans = psutil.Process(parent.pid).children(recursive=True)
        assert len(orphans) >= len(devices)
        parent.send_signal(signal.SIGKILL)

    _, alive = psutil.wait_procs(orphans, timeout=PATIENCE_SECONDS)
    assert alive == []
    assert FolderSink(tmp_path / "results").leftovers() == []
