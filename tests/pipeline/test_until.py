"""A run with a deadline: wave after wave, the same bytes, and whole takes when its time is up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from renderer.pipeline.render import render
from renderer.pipeline.stop import Stop, StopCause
from renderer.run.events import JobDone, JobProgress, PartStarted, TakeDone
from renderer.spec.picks import Pick, Vote
from renderer.takes.votes import write_picks

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.run.events import RunEvent
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow

NOON = datetime(2026, 11, 30, 12, 0).astimezone()


def order(songs: Songs) -> list[str]:
    return [event.take.name for event in songs.events if isinstance(event, TakeDone)]


def test_waves_give_the_bytes_of_one_batch_and_load_once_a_wave(make_songs: Callable[[str], Songs]) -> None:
    plain, waves = make_songs("plain"), make_songs("waves")
    for songs in (plain, waves):
        songs.write("eins")
        songs.edit("eins", "seeds = [1, 2]", "seeds = [1, 2, 3, 4, 5]")
    plain.render()
    summary = render(
        waves.project(),
        listen=waves.events.append,
        stop=Stop(NOON, clock=lambda: NOON - timedelta(days=1)),
        executor=waves.executor,
    )

    assert (summary.stopped, len(summary.rendered)) == (None, 5)
    assert waves.audio() == plain.audio()
    parts = [event.part for event in waves.events if isinstance(event, PartStarted)]
    assert parts == ["lm", "dit", "vae"] * 2, "a first wave of a round of the LM, and one of the rest"


def test_at_the_deadline_there_is_music_and_the_next_run_goes_on(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "seeds = [1, 2]", "seeds = [1, 2, 3, 4, 5, 6]")
    now = [NOON - timedelta(hours=1)]

    def listen(event: RunEvent) -> None:
        songs.events.append(event)
        if sum(isinstance(one, TakeDone) for one in songs.events) == 2:
            now[0] = NOON

    summary = render(songs.project(), listen=listen, stop=Stop(NOON, clock=lambda: now[0]), executor=songs.executor)

    assert summary.stopped is StopCause.UNTIL
    assert len(summary.rendered) == 2
    assert len(summary.unfinished) == 4
    assert len(songs.render().rendered) == 4


def test_takes_that_would_come_too_late_are_put_off_once_a_stage_turns_out_slow(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "seeds = [1, 2]", "seeds = [1, 2, 3, 4, 5, 6]")
    now = [NOON - timedelta(seconds=100)]

    def listen(event: RunEvent) -> None:
        songs.events.append(event)
        stage = event.job.stage if isinstance(event, JobProgress) and event.done == event.total else ""
        # The first wave's two are quick, so the second holds all that is left, and then the DiT is slow.
        now[0] += timedelta(seconds={"latents": 5 if len(order(songs)) < 2 else 30, "waveform": 1}.get(stage, 0))

    summary = render(songs.project(), listen=listen, stop=Stop(NOON, clock=lambda: now[0]), executor=songs.executor)

    stages = [event.job.stage for event in songs.events if isinstance(event, JobDone)]
    second = [stage for stage in stages if stage in ("latents", "waveform")][4:8]
    assert second == ["latents", "latents", "waveform", "waveform"]
    assert (summary.stopped, len(summary.rendered)) == (StopCause.UNTIL, 4)
    assert summary.kept_results["LM"] >= 2


def test_takes_that_are_kept_come_first(songs: Songs) -> None:
    songs.write("eins")
    songs.edit("eins", "seeds = [1, 2]", "seeds = [1, 2, 3, 4, 5, 6, 7, 8]")
    project = songs.project()
    write_picks(project.takes[0].song, {"eins.s8": Pick(vote=Vote.KEEP)})

    render(
        project,
        listen=songs.events.append,
        stop=Stop(NOON, clock=lambda: NOON - timedelta(hours=9)),
        executor=songs.executor,
    )

    assert "eins.s8" in order(songs)[:2]
