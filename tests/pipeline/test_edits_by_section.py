"""Edits of sections by their names: found in the run, by the timestamps of the take that they are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Latents, Timestamps
from renderer.errors import UsageError
from renderer.facts import LATENT_RATE
from renderer.run.events import TakeDone, TakeFailed
from renderer.spec.section_windows import section_windows
from tests.pipeline.conftest import WITHOUT_LM, Songs
from tests.pipeline.test_edit_takes import sound_of
from tests.pipeline.test_timestamps import hearing_set, lrc

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.pipeline.summary import Summary
    from renderer.run.executor import Executor

SONG = """
title = "Eins"
caption = "calm piano"
lyrics = \"\"\"
[verse]
la la la
[chorus]
oh oh
[chorus]
oh oh oh
[bridge]
hm
\"\"\"
seeds = [1]
"""
SONG += (
    WITHOUT_LM
    + """
[output]
timestamps = false
"""
)
EDIT = """
[edits.fix]
task = "repaint"
src_audio = "s1"
at = {at}
seeds = [11]
"""
AGAIN = """
[edits.again]
task = "repaint"
src_audio = "fix.s11"
at = ["chorus 2"]
seeds = [12]
"""


@pytest.fixture(scope="module")
def hearing(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hearing_set(tiny_set, tmp_path_factory.mktemp("hearing") / "set")


@pytest.fixture
def songs(tmp_path: Path, hearing: Path, executor: Executor) -> Songs:
    return Songs(tmp_path / "project", hearing, executor)


def with_edits(*at: str) -> str:
    return SONG + "".join(EDIT.format(at=one) for one in at)


def timestamps_of(songs: Songs, take: str) -> Timestamps:
    """Of a take, by the key with which an edit builds on them."""
    project = songs.project()
    keys = {key for one in project.plan().takes for key in one.builds_on}
    found = [one for key in keys if isinstance(one := project.store.get("timestamps", key), Timestamps)]
    assert len(found) == 1, take
    return found[0]


def windows_made(songs: Songs, take: str) -> tuple[tuple[int, int], ...] | None:
    """In frames, as the DiT's notes tell."""
    project = songs.project()
    plan = next(one for one in project.plan().takes if one.name == take)
    latents = project.store.get("latents", plan.keys["latents"])
    assert isinstance(latents, Latents)
    return latents.notes.windows


def rendered(summary: Summary) -> tuple[str, ...]:
    assert not summary.failures
    return tuple(sorted(summary.rendered))


@pytest.mark.slow
def test_a_section_is_made_anew_where_the_source_has_it_and_all_else_stays(songs: Songs) -> None:
    songs.write("eins", with_edits('["Chorus", [0.4, 1.2]]'))

    assert rendered(songs.render()) == ("eins.fix.s11", "eins.s1")

    take = next(iter(songs.project().takes))
    timed = section_windows(timestamps_of(songs, "eins.s1"), take.song.sections)
    expected = [(round(one.start * LATENT_RATE), round(one.end * LATENT_RATE)) for one in timed if one.tag == "chorus"]
    assert windows_made(songs, "eins.fix.s11") == (*expected, (10, 30))
    source, made = sound_of(songs, "eins.s1"), sound_of(songs, "eins.fix.s11")
    differing = np.nonzero((source != made).any(axis=1))[0]
    inside = np.zeros(len(source), dtype=bool)
    for start, end in (*expected, (10, 30)):
        inside[max(0, start * 1920 - 1200) : end * 1920 + 1200] = True
    assert differing.size
    assert inside[differing].all()
    # `timestamps = false` is the song's word on what lies beside its audio, whoever needs them for an edit.
    assert lrc(songs) == {}
    assert not songs.project().plan().running


@pytest.mark.slow
def test_a_section_of_an_edit_of_what_is_there_is_the_same_as_in_a_batch(
    hearing: Path, tmp_path: Path, executor: Executor
) -> None:
    whole, parts = (Songs(tmp_path / name, hearing, executor) for name in ("whole", "parts"))
    text = with_edits('["bridge"]') + AGAIN
    whole.write("eins", text)
    whole.render()
    parts.write("eins", SONG)
    parts.render()
    parts.write("eins", with_edits('["bridge"]'))
    parts.render()
    parts.write("eins", text)
    store = parts.project().store
    for artifact in tuple(store.artifacts()):
        if artifact.stage in ("latents", "timestamps"):
            store.forget(artifact)

    assert rendered(parts.render()) == ("eins.again.s12",)

    assert parts.audio() == whole.audio()


@pytest.mark.slow
def test_without_times_the_edit_fails_and_its_source_comes(tiny_set: Path, tmp_path: Path, executor: Executor) -> None:
    songs = Songs(tmp_path / "project", hearing_set(tiny_set, tmp_path / "flat", sharp=0.0), executor)
    songs.write("eins", with_edits('["bridge"]').replace("timestamps = false", "timestamps = true"))

    summary = songs.render()

    assert [one.take.name for one in songs.events if isinstance(one, TakeDone)] == ["eins.s1"]
    (failed,) = [one for one in songs.events if isinstance(one, TakeFailed)]
    assert failed.take.name == "eins.fix.s11"
    assert failed.error.message.startswith("the timestamps of `eins.s1`, which it builds on, failed: the DiT's")
    assert failed.error.help == "give the windows in seconds: `at = [[2.0, 5.0]]`"
    assert [takes for remark, takes in summary.remarks.items() if "without timestamps" in remark] == [("eins.s1",)]


def test_the_plan_counts_the_timestamps_and_refuses_a_model_without(
    songs: Songs, tiny_set: Path, tmp_path: Path, executor: Executor
) -> None:
    songs.write("eins", with_edits('["bridge"]'))
    plan = songs.project().plan()
    assert [job.stage for job in plan.jobs] == ["latents", "timestamps", "latents", "waveform", "waveform"]
    assert plan.loads()["dit"] == 1
    assert {take.name: take.lacks for take in plan.takes} == {"eins.s1": (), "eins.fix.s11": ()}

    deaf = Songs(tmp_path / "deaf", tiny_set, executor)
    deaf.write("eins", with_edits('["bridge"]'))
    with pytest.raises(UsageError, match=r"`eins.fix.s11` needs the timestamps of `eins.s1`"):
        deaf.project().plan()


def test_words_move_the_edit_only_by_way_of_its_source(songs: Songs) -> None:
    songs.write("eins", with_edits('["bridge"]') + EDIT.replace("fix", "plain").format(at="[[2.0, 4.0]]"))
    before = {take.name: take.keys["latents"] for take in songs.project().plan().takes}
    songs.edit("eins", "seeds = [1]", "seeds = [1, 2]")
    assert before.items() <= {take.name: take.keys["latents"] for take in songs.project().plan().takes}.items()
    songs.edit("eins", "\nhm\n", "\nhmm\n")
    after = {take.name: take.keys["latents"] for take in songs.project().plan().takes}
    assert not set(before.values()) & set(after.values())
