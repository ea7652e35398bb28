"""Edits while takes are being rendered: what is stale is given up, what is edited goes first, nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.models.family import stored_kinds
from renderer.pipeline.project import one_at_a_time
from renderer.store.store import Store
from tests.stages import from_stage
from tests.watch.conftest import rendered, stages

if TYPE_CHECKING:
    from tests.watch.conftest import Songs, Watching

pytestmark = pytest.mark.slow

LONG = 120  # seconds: long enough for the worker to be held in the middle of it
SEEN = r"^\d+ songs?, \d+ takes?"  # said when an edit was read


def test_a_stale_job_is_given_up_and_its_song_rendered_as_edited(hasty: Songs, running: Watching) -> None:
    hasty.write("eins", duration=2 * LONG)
    running.until(r"eins\.s0 latents: ")
    with running.worker_held():
        hasty.write("eins", mood="wild")
        running.until(SEEN)

    said = running.until_idle()

    assert "abandoned eins.s0 in latents: edited meanwhile" in said
    assert rendered(said) == ["eins.s0"]
    assert stages(said) == {"eins.s0": [*from_stage("latents")]}
    assert not list(hasty.outputs.glob("eins/old/*.flac"))


def test_the_language_model_is_stopped_at_a_token(hasty: Songs, running: Watching) -> None:
    hasty.put(hasty.path("denkt"), 'model = "mini"\n' + hasty.text("denkt", duration=60, thinking="true"))
    running.until(r"denkt\.s0 codes: ")
    with running.worker_held():
        hasty.write("denkt", mood="wild")
        running.until(SEEN)

    said = running.until_idle()

    assert "abandoned denkt.s0 in codes: edited meanwhile" in said
    assert stages(said) == {"denkt.s0": [*from_stage("latents")]}
    assert rendered(said) == ["denkt.s0"]


def test_finished_stages_stay_stored_when_a_later_one_is_given_up(hasty: Songs, running: Watching) -> None:
    hasty.write("zwei", duration=LONG)
    running.until(r"zwei\.s0 waveform: \d+/")
    with running.worker_held():
        hasty.write("zwei", mood="wild")
        running.until(SEEN)
    running.until_idle()
    hasty.write("zwei", duration=LONG)

    said = running.until_idle()

    assert [line for line in said if line.startswith("zwei.s0: ") and line.endswith("; waveform")]
    assert stages(said) == {"zwei.s0": ["waveform"]}


def test_an_edited_song_goes_first_and_the_others_follow(hasty: Songs, running: Watching) -> None:
    names = [f"lied{number}" for number in range(3)]
    # A folder that is renamed into place: all three are one round's.
    coming = hasty.folder / "coming.txt"
    coming.mkdir()
    for name, duration in (("lied1", 10), ("lied2", 10), ("lied0", LONG)):
        (coming / f"{name}.toml").write_text(hasty.text(name, duration=duration, lyrics="../words.txt"), "utf-8")
    there = coming.rename(hasty.specs / "there")
    running.until(r"lied0\.s0 latents: ")
    with running.worker_held():
        hasty.put(there / "lied2.toml", hasty.text("lied2", mood="wild", lyrics="../words.txt"))
        running.until(SEEN)

    said = running.until_idle()

    assert rendered(said)[0] == "lied2.s0"
    assert sorted(rendered(said)) == [f"{name}.s0" for name in names]
    # What ran when the edit came is not stale: it was finished, and its result used.
    assert stages(said)["lied0.s0"] == [*from_stage("latents")]
    assert not [line for line in said if line.startswith("abandoned lied0")]


def test_a_song_deleted_while_it_is_rendered_is_given_up(hasty: Songs, running: Watching) -> None:
    hasty.write("weg", duration=2 * LONG)
    running.until(r"weg\.s0 latents: ")
    with running.worker_held():
        hasty.remove("weg")
        running.until(SEEN)

    said = running.until_idle()

    assert "abandoned weg.s0 in latents: edited meanwhile" in said
    assert rendered(said) == []


def test_a_song_broken_while_it_is_rendered_is_finished_as_it_was(hasty: Songs, running: Watching) -> None:
    hasty.write("halb", duration=LONG // 2)
    running.until(r"halb\.s0 latents: ")
    with running.worker_held(until_told=False):
        hasty.put(hasty.path("halb"), "title = ")
        broken = running.until(SEEN)

    said = running.until_idle()

    assert "error[toml-syntax]: this is no valid TOML" in broken
    assert rendered(said) == ["halb.s0"]
    hasty.remove("halb")
    running.until_idle()


def test_an_edit_saved_while_another_render_holds_the_folder_is_rendered_when_that_ends(
    hasty: Songs, running: Watching
) -> None:
    with one_at_a_time(Store(hasty.outputs, kinds=stored_kinds())):
        hasty.write("vier", mood="stubborn")
        running.until("another render is writing")
        hasty.write("fuenf")
        said = running.until(SEEN)

    said += running.until_idle()

    assert sorted(rendered(said)) == ["fuenf.s0", "vier.s0"]
    assert len([line for line in said if "another render is writing" in line]) <= 1
