"""Audio files are written while the next takes are decoded: nothing is told too early, lost, or left half done."""

from __future__ import annotations

import errno
import os
import signal
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.errors import InputLost
from renderer.models.ace_step.stages import FAMILY
from renderer.models.family import stored_kinds
from renderer.pipeline.project import one_at_a_time
from renderer.pipeline.render import render
from renderer.run import results
from renderer.run.events import JobDone, JobProgress, TakeDone
from renderer.store.disk import TEMP_PREFIX, RealDisk
from renderer.store.store import Store
from renderer.takes.audio_writers import AudioWriterPool
from renderer.takes.result_writer import ResultWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.models.stage_spec import PartSpec
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent
    from renderer.run.sink import PendingWrite
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = "[verse]\\nla la la"
seeds = [1, 2, 3, 4, 5, 6, 7]
[metas]
bpm = 90
duration = 10
[inference]
thinking = false
use_cot_metas = false
"""


class Reluctant(ResultWriter):
    """Its files are done when somebody waits for them, and not before."""

    num_bytes = 0

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.begun: list[Job] = []

    def write(self, job: Job, artifact: Artifact) -> PendingWrite:
        pending = super().write(job, artifact)
        if not pending.waits_for:
            return pending
        self.begun.append(job)
        return replace(pending, waits_for=(Future(),), num_bytes=self.num_bytes)


class Bulky(Reluctant):
    """Of its sounds, three may be on their way to the disk at once."""

    num_bytes = 3_000_000


class Forgetful(Reluctant):
    """What the first take belongs to turns out to be damaged when its file is done."""

    def write(self, job: Job, artifact: Artifact) -> PendingWrite:
        pending = super().write(job, artifact)
        return replace(pending, finish=lost) if self.begun == [job] else pending


def lost() -> Iterator[RunEvent]:
    raise InputLost("its story is gone")
    yield


@pytest.fixture
def seven(songs: Songs) -> Songs:
    songs.write("eins", SPEC)
    return songs


def carry_out(songs: Songs, writer_of: Callable[..., ResultWriter]) -> Iterator[tuple[ResultWriter, RunEvent]]:
    project = songs.project(preview=1.0)
    project.store.prepare()
    plan = project.plan()
    with one_at_a_time(project.store), writer_of(plan, project.store, project.settings, project.environment) as writer:
        run = songs.executor.run(plan, sink=writer, is_wanted=lambda _: True)
        for event in run:
            yield writer, event


def two_at_once(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Have the part's jobs sent two by two."""
    parts = cast("dict[str, PartSpec]", FAMILY.parts)
    monkeypatch.setitem(parts, part, replace(parts[part], window=2))


def leftovers(songs: Songs) -> list[Path]:
    return list(songs.outputs.rglob(f"{TEMP_PREFIX}*"))


def test_few_takes_are_written_at_once_and_they_are_told_in_their_order(
    seven: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MOST_PENDING_BYTES", 3 * Bulky.num_bytes)
    waiting, told = [], []
    for writer, event in carry_out(seven, Bulky):
        assert isinstance(writer, Reluctant)
        if isinstance(event, TakeDone):
            waiting.append(len(writer.begun) - len(told))
            told.append(event.take.name)
            assert (seven.outputs / event.take.file).exists()

    assert told == [name for job in writer.begun for name in job.takes]
    assert len(told) == 7
    assert max(waiting) == 4
    assert leftovers(seven) == []


def test_the_next_batch_does_not_wait_for_the_files_of_the_one_before(
    seven: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_at_once(monkeypatch, "vae")
    begun = [
        len(writer.begun)
        for writer, event in carry_out(seven, Reluctant)
        if isinstance(writer, Reluctant) and isinstance(event, TakeDone)
    ]

    assert begun == [7] * 7


def test_a_take_that_cant_be_kept_after_its_batch_is_over_is_made_again(
    seven: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_at_once(monkeypatch, "vae")
    told = []
    for writer, event in carry_out(seven, Forgetful):
        assert isinstance(writer, Reluctant)
        told += [event.take.name] if isinstance(event, TakeDone) else []

    assert len(writer.begun) == 8
    assert writer.begun[0] == writer.begun[-1]
    assert len(told) == len(set(told)) == 7


def test_what_a_worker_sent_before_it_was_killed_is_not_lost(seven: Songs) -> None:
    done: list[str] = []
    kills = [signal.SIGKILL]
    for writer, event in carry_out(seven, Reluctant):
        assert isinstance(writer, Reluctant)
        if isinstance(event, JobDone):
            done.append(event.job.key)
        if isinstance(event, JobProgress) and event.job.stage == "waveform" and len(writer.begun) == 2 and kills:
            assert not set(done) & {job.key for job in writer.begun}
            os.kill(seven.executor.pids[0], kills.pop())

    keys = [job.key for job in writer.begun]
    assert not kills
    assert len(keys) == len(set(keys)) == 7
    assert len(done) == len(set(done)) == 14
    assert len(seven.audio()) == 7


class Refusing(RealDisk):
    """Gives no audio file its name."""

    def replace(self, source: Path, target: Path) -> None:
        if target.suffix == ".flac":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().replace(source, target)


def test_a_refused_file_ends_the_run_and_the_others_under_way_leave_nothing_behind(
    make_songs: Callable[[str], Songs],
) -> None:
    undisturbed, refused = make_songs("undisturbed"), make_songs("refused")
    for songs in (undisturbed, refused):
        songs.write("eins", SPEC)
    undisturbed.render(preview=1.0)
    project = refused.project(preview=1.0)
    project.store = Store(refused.outputs, Refusing(), kinds=stored_kinds())

    summary = render(project, listen=refused.events.append, executor=refused.executor)

    assert summary.fault is not None
    assert "free some space" in summary.fault.help
    assert summary.rendered == ()
    assert refused.audio() == {}
    assert leftovers(refused) == []
    assert len(refused.render(preview=1.0).rendered) == 7
    assert refused.audio() == undisturbed.audio()


def test_a_file_that_got_no_name_goes_with_its_pool(tmp_path: Path) -> None:
    pool = AudioWriterPool(RealDisk(), "cpu")
    sound = Waveform(samples=np.random.default_rng(1).uniform(-0.5, 0.5, (2, 96_000)).astype(np.float32))
    files = [pool.begin(sound, tmp_path / f"{number}.flac", "flac", {"title": "one"}) for number in range(8)]
    assert files[0].result().temp.exists()

    pool.close()

    assert list(tmp_path.iterdir()) == []
