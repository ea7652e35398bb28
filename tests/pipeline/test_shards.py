"""Shards: a batch dealt out to machines that share a folder and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.errors import FolderBusy, StoreError, UsageError
from renderer.pipeline import shard_lock
from renderer.pipeline.project import one_at_a_time
from renderer.plan.shards import Shard, names_in, shard_in, split_digest
from renderer.report.build import last_run
from renderer.store.disk import temp_name
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.pipeline.project import Project
    from tests.pipeline.conftest import Songs

NAMES = ("eins", "zwei", "drei", "vier", "fünf")


@pytest.fixture
def five(songs: Songs) -> Songs:
    for name in NAMES:
        songs.write(name)
    return songs


def of(songs: Songs, number: int, count: int = 2) -> Project:
    return songs.project(shard=Shard(number=number, count=count))


@pytest.mark.parametrize("text", ["", "2", "0/3", "4/3", "-1/3", "1/0", "1/99999", "a/b"])
def test_what_is_no_shard_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="shard"):
        shard_in(text)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_take_is_in_one_shard_with_all_that_share_a_job_with_it(five: Songs, count: int) -> None:
    plan = five.project().plan()
    shards = [names_in(plan, Shard(number=number, count=count)) for number in range(1, count + 1)]

    assert Counter(name for names in shards for name in names) == Counter(take.name for take in plan.takes)
    for job in plan.jobs:
        assert sum(bool(names & set(job.takes)) for names in shards) == 1
    filled = [names for names in shards if names]
    assert len(filled) == min(count, len(NAMES))
    assert max(map(len, filled)) - min(map(len, filled)) <= 2


def test_the_split_is_the_same_whatever_is_done_already(five: Songs) -> None:
    before = five.project().plan()
    carry_out(of(five, 2))

    after = five.project().plan()

    assert len(after.running) < len(before.running)
    assert split_digest(after) == split_digest(before)
    assert all(names_in(after, Shard(number=n, count=2)) == names_in(before, Shard(number=n, count=2)) for n in (1, 2))


def test_takes_that_build_on_one_another_are_in_one_shard(five: Songs) -> None:
    plan = five.project().plan()
    first, *_, last = plan.takes
    chained = replace(
        plan,
        takes=tuple(replace(take, builds_on=(first.keys["latents"],)) if take is last else take for take in plan.takes),
    )

    assert any({first.name, last.name} <= names_in(chained, Shard(number=n, count=5)) for n in range(1, 6))
    assert not any({first.name, last.name} <= names_in(plan, Shard(number=n, count=5)) for n in range(1, 6))


def test_shards_together_give_what_one_render_gives_and_leave_nothing_to_do(make_songs: Callable[[str], Songs]) -> None:
    whole, dealt = make_songs("whole"), make_songs("dealt")
    for songs in (whole, dealt):
        for name in NAMES:
            songs.write(name)
    carry_out(whole.project())

    for number in (3, 1, 2):
        carry_out(of(dealt, number, 3))

    assert dealt.audio() == whole.audio()
    assert dealt.project().plan().jobs == ()


def test_the_same_shard_another_split_and_a_render_of_the_whole_are_refused_beside_a_shard(five: Songs) -> None:
    five.project().store.prepare()
    with of(five, 1).held():
        with pytest.raises(FolderBusy, match="shard 1/2 is at work already"), of(five, 1).held():
            pass
        with pytest.raises(FolderBusy, match="another split"), of(five, 1, 3).held():
            pass
        with pytest.raises(FolderBusy, match="another render"), five.project().held():
            pass
        five.edit("eins", "bpm = 90", "bpm = 91")
        with pytest.raises(FolderBusy, match="another split"), of(five, 2).held():
            pass
        five.edit("eins", "bpm = 91", "bpm = 90")
        with of(five, 2).held():
            pass
    with of(five, 1, 3).held():
        pass
    with (
        one_at_a_time(five.project().store),
        pytest.raises(FolderBusy, match="another render"),
        of(five, 1).held(),
    ):
        pass


def test_what_another_shard_is_writing_stays_and_what_a_killed_one_left_goes(five: Songs) -> None:
    store = five.project().store
    store.prepare()
    half = store.folder / temp_name()
    with of(five, 1).held():
        half.write_bytes(b"half")
        with of(five, 2).held():
            assert half.exists()
    with of(five, 2).held():
        assert not half.exists()


def test_who_ends_last_knows_that_it_is_and_only_it(five: Songs) -> None:
    five.project().store.prepare()
    with of(five, 1).held() as one:
        with of(five, 2).held() as two:
            pass
        assert not two.was_last
    assert one.was_last


def test_a_folder_whose_locks_stay_on_one_machine_is_refused_to_shards_alone(
    five: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_lock, "why_local", lambda _: "`/x` is mounted as nfs with nolock")
    five.project().store.prepare()

    with pytest.raises(StoreError, match="can't share") as refused, of(five, 1).held():
        pass
    assert "nolock" in refused.value.why
    with five.project().held():
        pass


@pytest.mark.slow
def test_each_shard_writes_a_journal_of_its_own_and_whoever_reads_is_told_of_all(five: Songs) -> None:
    for number in (1, 2):
        five.render(shard=Shard(number=number, count=2), preview=1.0)

    store = five.project().store
    names = sorted(path.name for path in store.folder.glob("journal*.jsonl"))
    assert names == ["journal-1-of-2.jsonl", "journal-2-of-2.jsonl"]
    run = last_run(store)
    assert len(run.takes) == 10
    keys = Counter((job.stage, job.takes) for job in run.jobs)
    assert set(keys.values()) == {1}
    assert run.ended is not None
    times = [entry.at for entry in store.journal.lines()]
    assert times == sorted(times)
    # The same split again is the next run.
    five.edit("eins", "bpm = 90", "bpm = 92")
    for number in (1, 2):
        five.render(shard=Shard(number=number, count=2), preview=1.0)
    assert len(last_run(store).takes) == 2
