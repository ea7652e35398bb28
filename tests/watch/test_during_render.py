"""Edits while takes are being rendered: what is stale is given up, what is edited goes first, nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.watch.conftest import Songs, Watching, rendered, stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = 120  # seconds: long enough for an edit to come while it is made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Songs:
    return Songs(tmp_path_factory.mktemp("during") / "project", tiny_set)


@pytest.fixture(scope="module")
def running(project: Songs) -> Iterator[Watching]:
    project.write("vier")
    with Watching(project.folder, "--quiet", "20") as watching:
        watching.until_idle()
        yield watching


def test_a_stale_job_is_given_up_and_its_song_rendered_as_edited(project: Songs, running: Watching) -> None:
    project.write("eins", duration=LONG)
    running.until(r"eins\.s0 latents: ")
    project.write("eins", mood="wild")

    said = running.until_idle()

    assert "abandoned eins.s0 in latents: edited meanwhile" in said
    assert rendered(said) == ["eins.s0"]
    assert stages(said) == {"eins.s0": ["latents", "waveform"]}
    assert not list(project.outputs.glob("eins/old/*.flac"))


def test_finished_stages_stay_stored_when_a_later_one_is_given_up(project: Songs, running: Watching) -> None:
    project.write("zwei", duration=LONG)
    running.until(r"zwei\.s0 waveform: \d+/")
    project.write("zwei", mood="wild")
    running.until_idle()
    project.write("zwei", duration=LONG)

    said = running.until_idle()

    assert [line for line in said if line.startswith("zwei.s0: ") and line.endswith("; waveform")]
    assert stages(said) == {"zwei.s0": ["waveform"]}


def test_an_edited_song_goes_first_and_the_others_follow(project: Songs, running: Watching) -> None:
    names = [f"lied{number}" for number in range(3)]
    project.write("lied1")
    project.write("lied2")
    project.write("lied0", duration=LONG)
    running.until(r"lied0\.s0 latents: ")
    project.write("lied2", mood="wild")

    said = running.until_idle()

    assert rendered(said)[0] == "lied2.s0"
    assert sorted(rendered(said)) == [f"{name}.s0" for name in names]
    # What ran when the edit came is not stale: it was finished, and its result used.
    assert stages(said)["lied0.s0"] == ["latents", "waveform"]
    assert not [line for line in said if line.startswith("abandoned lied0")]


def test_a_song_deleted_while_it_is_rendered_is_given_up(project: Songs, running: Watching) -> None:
    project.write("weg", duration=LONG)
    running.until(r"weg\.s0 latents: ")
    project.remove("weg")

    said = running.until_idle()

    assert "abandoned weg.s0 in latents: edited meanwhile" in said
    assert rendered(said) == []


def test_a_song_broken_while_it_is_rendered_is_finished_as_it_was(project: Songs, running: Watching) -> None:
    project.write("halb", duration=LONG // 2)
    running.until(r"halb\.s0 latents: ")
    project.path("halb").write_text("title = ", "utf-8")

    said = running.until_idle()

    assert "error[toml-syntax]: this is no valid TOML" in said
    assert rendered(said) == ["halb.s0"]
    project.remove("halb")
    running.until_idle()
