"""Audio files are written while the next takes are decoded: nothing is told too early, lost, or left half done."""

from __future__ import annotations

import errno
import os
import signal
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Waveform
from renderer.errors import InputLost
from renderer.models.family import Part, Stage
from renderer.pipeline.project import one_at_a_time
from renderer.pipeline.render import render
from renderer.run import local
from renderer.run.events import JobDone, JobProgress, TakeDone
from renderer.run.local import execute
from renderer.store.disk import TEMP_PREFIX, RealDisk
from renderer.store.store import Store
from renderer.takes.audio_writers import Desk
from renderer.takes.result_writer import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent
    from renderer.run.sink import Keeping
    from tests.pipeline.conftest import Songs

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


class Reluctant(Keeper):
    """Its files are done when somebody waits for them, and not before."""

    num_bytes = 0

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.begun: list[Job] = []

    def keep(self, job: Job, artifact: Artifact) -> Keeping:
        keeping = super().keep(job, artifact)
        if not keeping.waits_for:
            return keeping
        self.begun.append(job)
        return replace(keeping, waits_for=(Future(),), num_bytes=self.num_bytes)


class Bulky(Reluctant):
    """Of its sounds, three may be on their way to the disk at once."""

    num_bytes = 3_000_000


class Forgetful(Reluctant):
    """What the first take belongs to turns out to be damaged when its file is done."""

    def keep(self, job: Job, artifact: Artifact) -> Keeping:
        keeping = super().keep(job, artifact)
        return replace(keeping, finish=lost) if self.begun == [job] else keeping


def lost() -> Iterator[RunEvent]:
    raise InputLost("its story is gone")
    yield


@pytest.fixture
def seven(songs: Songs) -> Songs:
    songs.write("eins", SPEC)
    return songs


def carry_out(songs: Songs, keeper_of: Callable[..., Keeper]) -> Iterator[tuple[Keeper, RunEvent]]:
    project = songs.project(preview=1.0)
    project.store.prepare()
    plan = project.plan()
    with one_at_a_time(project.store), keeper_of(plan, project.store, project.settings, project.environment) as keeper:
        run = execute(plan, workers=songs.workers, settings=project.settings, sink=keeper, abandon=lambda _: False)
        for event in run:
            yield keeper, event


def leftovers(songs: Songs) -> list[Path]:
    return list(songs.outputs.rglob(f"{TEMP_PREFIX}*"))


def test_few_takes_are_written_at_once_and_they_are_told_in_their_order(
    seven: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_MOST_KEEPING", 3 * Bulky.num_bytes)
    waiting, told = [], []
    for keeper, event in carry_out(seven, Bulky):
        assert isinstance(keeper, Reluctant)
        if isinstance(event, TakeDone):
            waiting.append(len(keeper.begun) - len(told))
            told.append(event.take.name)
            assert (seven.outputs / event.take.file).exists()

    assert told == [name for job in keeper.begun for name in job.takes]
    assert len(told) == 7
    assert max(waiting) == 4
    assert leftovers(seven) == []


def test_the_next_batch_does_not_wait_for_the_files_of_the_one_before(
    seven: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(local._WINDOWS, Part.VAE, 2)  # type: ignore[attr-defined]
    begun = [
        len(keeper.begun)
        for keeper, event in carry_out(seven, Reluctant)
        if isinstance(keeper, Reluctant) and isinstance(event, TakeDone)
    ]

    assert begun == [7] * 7


def test_a_take_that_cant_be_kept_after_its_batch_is_over_is_made_again(
    seven: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(local._WINDOWS, Part.VAE, 2)  # type: ignore[attr-defined]
    told = []
    for keeper, event in carry_out(seven, Forgetful):
        assert isinstance(keeper, Reluctant)
        told += [event.take.name] if isinstance(event, TakeDone) else []

    assert len(keeper.begun) == 8
    assert keeper.begun[0] == keeper.begun[-1]
    assert len(told) == len(set(told)) == 7


def test_what_a_worker_sent_before_it_was_killed_is_not_lost(seven: Songs) -> None:
    done: list[str] = []
    kills = [signal.SIGKILL]
    for keeper, event in carry_out(seven, Reluctant):
        assert isinstance(keeper, Reluctant)
        if isinstance(event, JobDone):
            done.append(event.job.key)
        if isinstance(event, JobProgress) and event.job.stage is Stage.WAVEFORM and len(keeper.begun) == 2 and kills:
            assert not set(done) & {job.key for job in keeper.begun}
            os.kill(seven.workers.client().pid, kills.pop())

    keys = [job.key for job in keeper.begun]
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
    project.store = Store(refused.outputs, Refusing())

    summary = render(project, listen=refused.events.append, workers=refused.workers)

    assert summary.fault is not None
    assert "free some space" in summary.fault.help
    assert summary.rendered == ()
    assert refused.audio() == {}
    assert leftovers(refused) == []
    assert len(refused.render(preview=1.0).rendered) == 7
    assert refused.audio() == undisturbed.audio()


def test_a_draft_that_got_no_name_goes_with_its_desk(tmp_path: Path) -> None:
    desk = Desk(RealDisk())
    sound = Waveform(samples=np.random.default_rng(1).uniform(-0.5, 0.5, (2, 96_000)).astype(np.float32))
    drafts = [desk.begin(sound, tmp_path / f"{number}.flac", "flac", {"title": "one"}) for number in range(8)]
    assert drafts[0].result().temp.exists()

    desk.close()

    assert list(tmp_path.iterdir()) == []
