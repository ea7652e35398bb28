"""Each kind of save gives exactly the renders it should; one watch over one project sees them all."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from renderer.formats.read import read_tags
from tests.stages import arrows, from_stage
from tests.watch.conftest import Songs, Watching, rendered, stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

AGAIN = list(from_stage("latents"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Songs:
    songs = Songs(tmp_path_factory.mktemp("saves") / "project", tiny_set)
    for name in ("eins", "zwei"):
        songs.write(name)
    return songs


@pytest.fixture(scope="module", name="running")
def running_between_the_saves(project: Songs) -> Iterator[Watching]:
    with Watching(project.folder, stands_still=True) as watching:
        assert sorted(rendered(watching.until_idle())) == ["eins.s0", "zwei.s0"]
        yield watching


@pytest.fixture(autouse=True)
def _start_from_two_rendered_songs(project: Songs, running: Watching) -> Iterator[None]:
    """What a test changes is changed back, and the watch has seen it, before the next begins."""
    before = {path: path.read_bytes() for path in (*project.specs.iterdir(), project.defaults)}
    yield
    words = project.specs / "words.txt"
    now = {path: path.read_bytes() for path in (*project.specs.iterdir(), project.defaults)}
    for path in now.keys() - before.keys():
        path.unlink()
    for path, content in before.items():
        if now.get(path) != content:
            path.write_bytes(content)
    if now != before:
        # Written last: what is said after it was seen is said of all that was changed back, in one look or in two.
        words.write_bytes(words.read_bytes())
        running.until("^saved without a change: .*words.txt")
        running.until_idle()


def test_a_changed_shift_renders_that_song_from_the_dit_on_and_says_why(project: Songs, running: Watching) -> None:
    project.write("eins", shift=2.0)

    said = running.until_idle()

    assert f"eins.s0: shift 3.0 → 2.0 in [inference]; {arrows('latents')}" in said
    assert stages(said) == {"eins.s0": AGAIN}
    assert rendered(said) == ["eins.s0"]


def test_a_changed_title_is_written_into_the_take_and_nothing_runs(project: Songs, running: Watching) -> None:
    path = project.path("eins")
    path.write_text(re.sub(r'title = ".*"', 'title = "Zwölf 🌙"', path.read_text("utf-8")), "utf-8")

    said = running.until_idle()

    assert any("→ Zwölf 🌙; only its tags are written anew" in line for line in said)
    assert (stages(said), rendered(said)) == ({}, [])
    assert read_tags(project.outputs / "eins" / "eins.s0.flac")["title"] == "Zwölf 🌙"
    assert "Zwölf 🌙" in (project.outputs / "report" / "index.html").read_text("utf-8")


def test_saving_as_vim_does_by_a_backup_and_a_new_file_renders_once(project: Songs, running: Watching) -> None:
    path = project.path("eins")
    (project.specs / "4913").touch()
    (project.specs / "4913").unlink()
    path.rename(project.specs / "eins.toml~")
    path.write_text(project.text("eins", mood="wild"), "utf-8")
    (project.specs / "eins.toml~").unlink()

    assert rendered(running.until_idle()) == ["eins.s0"]


def test_saving_as_vs_code_does_by_renaming_over_the_file_renders_once(project: Songs, running: Watching) -> None:
    temporary = project.specs / ".eins.toml.tmp-1234"
    temporary.write_text(project.text("eins", mood="sad"), "utf-8")
    temporary.replace(project.path("eins"))

    assert rendered(running.until_idle()) == ["eins.s0"]


def test_a_file_written_or_touched_without_a_change_renders_nothing(project: Songs, running: Watching) -> None:
    path = project.path("eins")
    path.write_bytes(path.read_bytes())
    os.utime(path)

    said = running.until_idle()

    assert said == ["saved without a change: specs/eins.toml", "waiting for changes: nothing to render"]


def test_a_comment_or_other_blanks_render_nothing(project: Songs, running: Watching) -> None:
    project.path("eins").write_text("# louder?\n\n" + project.text("eins"), "utf-8")

    said = running.until_idle()

    assert said[0] == "changed: specs/eins.toml"
    assert stages(said) == {}


def test_a_file_truncated_and_then_written_bit_by_bit_renders_once(project: Songs, running: Watching) -> None:
    text = project.text("eins", mood="bright")
    with project.path("eins").open("w", encoding="utf-8") as file:
        for start in range(0, len(text), 50):
            file.write(text[start : start + 50])
            file.flush()

    said = running.until_idle()

    assert rendered(said) == ["eins.s0"]
    assert not [line for line in said if line.startswith("error")]


def test_a_git_checkout_renders_what_differs_and_coming_back_renders_nothing(project: Songs, running: Watching) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=project.folder,
            check=True,
            capture_output=True,
        )

    try:
        git("init", "-b", "main")
        git("add", "specs", "renderer.toml")
        git("commit", "-m", "songs")
        git("checkout", "-b", "wild")
        project.write("zwei", mood="dark")
        project.write("drei")
        assert sorted(rendered(running.until_idle())) == ["drei.s0", "zwei.s0"]
        git("add", "specs")
        git("commit", "-m", "wild")

        git("checkout", "main")
        there = running.until_idle()
        git("checkout", "wild")
        back = running.until_idle()
    finally:
        shutil.rmtree(project.folder / ".git")

    assert "gone: specs/drei.toml" in there
    assert "zwei.s0: as it was before: comes back from old/" in there
    assert "new: specs/drei.toml" in back
    assert stages(there) == stages(back) == {}


def test_a_new_file_is_rendered_and_a_deleted_one_forgotten(project: Songs, running: Watching) -> None:
    project.write("neu")
    said = running.until_idle()
    project.remove("neu")
    after = running.until_idle()

    assert f"neu.s0: new; {arrows('latents')}" in said
    assert rendered(said) == ["neu.s0"]
    assert after[:2] == ["gone: specs/neu.toml", "2 songs, 2 takes"]
    assert stages(after) == {}


def test_changed_defaults_render_every_song_they_change(project: Songs, running: Watching) -> None:
    project.path("zwei").write_text(project.text("zwei").replace("[inference]", '[inference]\ninfer_method = "ode"'))
    assert stages(running.until_idle()) == {}
    text = project.defaults.read_text("utf-8")
    project.defaults.write_text(text.replace("[inference]", '[inference]\ninfer_method = "sde"'), "utf-8")

    said = running.until_idle()

    assert f"eins.s0: infer_method ode → sde in [inference]; {arrows('latents')}" in said
    assert rendered(said) == ["eins.s0"]


def test_a_changed_lyric_file_renders_the_songs_that_sing_it(project: Songs, running: Watching) -> None:
    (project.specs / "other.txt").write_text("[verse]\nhey hey\n", "utf-8")
    project.write("drei", lyrics="other.txt")
    running.until_idle()
    (project.specs / "other.txt").write_text("[verse]\nho ho\n", "utf-8")

    said = running.until_idle()

    assert said[0] == "changed: specs/other.txt"
    assert rendered(said) == ["drei.s0"]


def test_broken_toml_is_told_the_rest_goes_on_and_the_fix_clears_it(project: Songs, running: Watching) -> None:
    project.path("eins").write_text("title = ", "utf-8")
    broken = running.until_idle()
    project.write("zwei", mood="slow")
    meanwhile = running.until_idle()
    project.write("eins", mood="brisk")
    fixed = running.until_idle()

    assert "error[toml-syntax]: this is no valid TOML" in broken
    assert stages(broken) == {}
    assert broken[-1] == "waiting for changes: 1 file with errors"
    assert rendered(meanwhile) == ["zwei.s0"]
    assert not [line for line in meanwhile if line.startswith("error")]
    assert "fixed: specs/eins.toml" in fixed
    assert rendered(fixed) == ["eins.s0"]


def test_broken_defaults_render_nothing_until_they_are_fixed(project: Songs, running: Watching) -> None:
    text = project.defaults.read_text("utf-8")
    project.defaults.write_text("model = ", "utf-8")
    project.write("eins", mood="gentle")
    broken = running.until_idle()
    project.defaults.write_text(text, "utf-8")
    fixed = running.until_idle()

    assert "error[toml-syntax]: this is no valid TOML" in broken
    assert stages(broken) == {}
    assert rendered(fixed) == ["eins.s0"]


def test_a_model_that_is_not_there_costs_its_own_song_only(project: Songs, running: Watching) -> None:
    project.path("eins").write_text('model = "./nowhere"\n' + project.text("eins"), "utf-8")
    project.write("zwei", mood="loud")

    said = running.until_idle()

    assert [line for line in said if "nowhere" in line]
    assert rendered(said) == ["zwei.s0"]


def test_fifty_files_at_once_render_in_one_round(project: Songs, running: Watching) -> None:
    names = [f"lied{number}" for number in range(50)]
    for name in names:
        # One caption: what is asked of the models is shared, and fifty files are written.
        project.path(name).write_text(project.text("lied"), "utf-8")

    said = running.until_idle()

    assert sorted(rendered(said)) == sorted(f"{name}.s0" for name in names)
    assert len([line for line in said if line.startswith("new: ")]) == 1


def test_a_spec_that_is_a_link_is_rendered_when_its_target_changes(project: Songs, running: Watching) -> None:
    elsewhere = project.folder / "drafts"
    elsewhere.mkdir()
    target = elsewhere / "draft.toml"
    target.write_text(project.text("draft", lyrics="../specs/words.txt").replace("../specs/", ""), "utf-8")
    (project.specs / "draft.toml").symlink_to(target)
    first = running.until_idle()
    target.write_text(project.text("draft", mood="soft"), "utf-8")
    second = running.until_idle()

    assert rendered(first) == ["draft.s0"]
    assert rendered(second) == ["draft.s0"]


def test_a_linked_folder_is_watched_where_it_lies(project: Songs, running: Watching, tmp_path: Path) -> None:
    (tmp_path / "renderer.toml").write_bytes(project.defaults.read_bytes())
    (tmp_path / "words.txt").write_text("[verse]\nla la la\n", "utf-8")
    # No spec lies in the linked folder itself: it is watched all the same.
    (tmp_path / "tief").mkdir()
    (tmp_path / "tief" / "words.txt").write_text("[verse]\nla la la\n", "utf-8")
    (tmp_path / "tief" / "fern.toml").write_text(project.text("fern"), "utf-8")
    (project.specs / "linked").symlink_to(tmp_path)
    linked = running.until_idle()
    (tmp_path / "tief" / "fern.toml").write_text(project.text("fern", mood="far"), "utf-8")
    edited = running.until_idle()
    (tmp_path / "neu.toml").write_text(project.text("neu"), "utf-8")
    added = running.until_idle()
    (project.specs / "linked").unlink()
    gone = running.until_idle()

    assert rendered(linked) == ["fern.s0"]
    assert rendered(edited) == ["fern.s0"]
    assert rendered(added) == ["neu.s0"]
    assert gone[0].startswith("gone: ")
    assert "specs/linked/neu.toml, specs/linked/tief/fern.toml" in gone[0]
    assert stages(gone) == {}
    assert (tmp_path / "outputs" / "fern" / "fern.s0.flac").exists()


def test_a_folder_moved_away_and_back_renders_nothing_and_is_watched_again(project: Songs, running: Watching) -> None:
    away = project.folder / "away"
    project.specs.rename(away)
    gone = running.until_idle()
    away.rename(project.specs)
    back = running.until_idle()
    project.write("eins", mood="warm")
    edited = running.until_idle()

    assert [line for line in gone if line.startswith("refused")]
    assert stages(gone) == stages(back) == {}
    assert rendered(edited) == ["eins.s0"]


def test_a_broken_spec_watched_by_its_name_is_told_with_its_place_and_rendered_once_it_is_mended(
    tmp_path: Path, tiny_set: Path
) -> None:
    songs = Songs(tmp_path / "project", tiny_set)
    songs.write("eins")
    songs.path("zwei").write_text(songs.text("zwei").replace("bpm = 90", "bpm = 9000"), "utf-8")

    with Watching(songs.folder, "zwei", "--quiet", "20") as watching:
        broken = watching.until_idle()
        songs.write("zwei")
        mended = watching.until_idle()
        songs.path("zwei").write_text(songs.text("zwei").replace("bpm = 90", "bpm = = 90"), "utf-8")
        again = watching.until_idle()

    assert broken[0] == "watching zwei in specs"
    place = broken.index(next(line for line in broken if "zwei.toml:6:7" in line))
    assert broken[place + 1 : place + 3] == ["6 | bpm = 9000", "  |       ^^^^ it takes 30 to 300"]
    assert broken[-1] == "waiting for changes: 1 file with errors"
    assert rendered(broken) == []
    assert any(line.startswith("fixed: specs/zwei.toml") for line in mended)
    assert rendered(mended) == ["zwei.s0"]
    assert "6 | bpm = = 90" in again


def test_a_saved_voice_makes_its_song_again_and_the_report_is_told_once_for_each_save(
    project: Songs, running: Watching
) -> None:
    def speak(seed: int) -> None:
        noise = np.random.default_rng(seed).standard_normal((44_100 * 2, 2)) * 0.1
        soundfile.write(project.specs / "voice.wav", noise, 44_100)

    speak(1)
    project.path("stimme").write_text('reference_audio = "voice.wav"\n' + project.text("stimme"), "utf-8")
    first = running.until_idle()
    speak(2)
    second = running.until_idle()

    assert "changed: specs/voice.wav" in second
    for said in (first, second):
        assert rendered(said) == ["stimme.s0"]
        assert len([line for line in said if line.startswith("report: ")]) == 1
