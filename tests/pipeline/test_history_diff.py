"""What changed between two times of a project of five songs, from its history and its store; no model runs."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from docs.ci.changed_takes import changed
from renderer.cli.main import run
from tests.history.repositories import Repository
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from pathlib import Path

SET = ("--device", "cpu", "--threads", "1", "--lm-slots", "2")
NIGHT = """
title = "Night bus"
caption = "Warm indie pop, clean electric guitar, soft drums"
lyrics_file = "night-bus.txt"
seeds = [1, 2]
[metas]
bpm = 96
duration = 10
[variants.wide]
shift = 2.0
seeds = [1]
[edits.bridge]
task = "repaint"
src_audio = "s1"
at = [[1, 3]]
seeds = [4]
"""
WORDS = "[verse 1]\nMorning comes in sideways\nthrough the kitchen door\n\n[chorus]\nStay a little longer\n"
OTHERS = {
    "harbour": ("A slow accordion waltz", "the lamps are lit along the quay"),
    "tin-roof": ("Dusty blues, slide guitar", "rain on a tin roof, nobody home"),
    "old-name": ("A fast polka for brass", "one two three and round we go again tonight"),
    "gone": ("Ambient drone, no drums", "nothing to be sung of"),
}
SPEC = (
    'title = "{name}"\ncaption = "{caption}"\nlyrics = """\n[verse]\n{line}\n"""\nseeds = [1]\n[metas]\nduration = 10\n'
)


class Album(Songs):
    """A project of songs with its repository."""

    def __init__(self, folder: Path, model: Path) -> None:
        super().__init__(folder, model, None)  # type: ignore[arg-type]  # no worker runs
        self.repository = Repository(folder)

    def commit(self) -> str:
        return self.repository.commit()

    def ask(self, *arguments: str) -> int:
        return run([*arguments, *SET])


def make_album(folder: Path, model: Path) -> Album:
    """Five songs, committed and rendered; then changed in every way there is, and not committed."""
    album = Album(folder, model)
    album.write("night-bus", NIGHT)
    (folder / "specs" / "night-bus.txt").write_text(WORDS)
    for name, (caption, line) in OTHERS.items():
        album.write(name, SPEC.format(name=name, caption=caption, line=line))
    album.commit()
    return album


def change(album: Album) -> None:
    specs = album.folder / "specs"
    album.edit("night-bus", "shift = 2.0", "shift = 1.0")
    (specs / "night-bus.txt").write_text(WORDS.replace("kitchen door", "garden door"))
    album.edit("harbour", 'title = "harbour"', 'title = "Harbour lights"')
    album.write("tin-roof", "# a note to myself\n" + (specs / "tin-roof.toml").read_text())
    (specs / "old-name.toml").rename(specs / "new-name.toml")
    (specs / "gone.toml").unlink()
    album.write("sixth", SPEC.format(name="sixth", caption="Solo harp", line="la"))


@pytest.fixture
def album(tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch) -> Album:
    made = make_album(tmp_path / "album", tiny_set)
    monkeypatch.chdir(made.folder)
    return made


def document(capsys: pytest.CaptureFixture[str], album: Album, *arguments: str) -> Any:
    capsys.readouterr()
    assert album.ask(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_every_kind_of_change_is_found_and_nothing_else(album: Album, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(album.project())
    change(album)
    found = document(capsys, album, "diff", "--rev", "HEAD")
    songs = {song["song"]: song for song in found["songs"]}
    assert {name: song["state"] for name, song in songs.items()} == {
        "gone": "removed",
        "harbour": "changed",
        "new-name": "renamed",
        "night-bus": "changed",
        "sixth": "added",
        "tin-roof": "text",
    }
    assert songs["new-name"]["was"] == "old-name"
    assert songs["harbour"]["title"] == {"old": "harbour", "new": "Harbour lights"}
    assert [take["state"] for take in songs["harbour"]["takes"]] == ["tags"]
    (lyrics,) = songs["night-bus"]["texts"]
    (line,) = [line["words"] for line in lyrics["lines"] if line["kind"] == "changed"]
    assert [(word["text"].strip(), word["kind"]) for word in line] == [
        ("through the", "same"),
        ("kitchen", "dropped"),
        ("garden", "added"),
        ("door", "same"),
    ]
    takes = {take["take"]: take for take in songs["night-bus"]["takes"]}
    assert {name: take["state"] for name, take in takes.items()} == dict.fromkeys(
        ("night-bus.s1", "night-bus.s2", "night-bus.wide.s1", "night-bus.bridge.s4"), "changed"
    )
    assert takes["night-bus.wide.s1"]["stages"][0] == "cot"
    assert {one["name"]: (one["old"], one["new"]) for one in takes["night-bus.wide.s1"]["changes"]}["shift"] == (
        2.0,
        1.0,
    )
    assert takes["night-bus.s1"]["before"]["decided"]["bpm"] == 90
    assert takes["night-bus.s1"]["after"] is None


def test_a_setting_of_the_diffusion_leaves_the_codes_and_says_so(
    album: Album, capsys: pytest.CaptureFixture[str]
) -> None:
    carry_out(album.project())
    album.edit("night-bus", "shift = 2.0", "shift = 1.0")
    (song,) = [one for one in document(capsys, album, "diff", "--rev", "HEAD")["songs"] if one["state"] != "same"]
    takes = {take["take"]: take for take in song["takes"]}
    assert {name: take["state"] for name, take in takes.items()} == {
        "night-bus.s1": "same",
        "night-bus.s2": "same",
        "night-bus.wide.s1": "changed",
        "night-bus.bridge.s4": "same",
    }
    assert takes["night-bus.wide.s1"]["stages"][0] == "latents"
    carry_out(album.project())

    assert album.ask("status", "--since", "HEAD") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("HEAD (")
    assert "  from latents on, done: night-bus.wide.s1  shift 2.0 → 1.0 in [variants.wide]" in lines
    assert "7 of 8 takes asked what they were" in lines


def test_two_revisions_are_compared_whatever_the_working_folder_holds(
    album: Album, capsys: pytest.CaptureFixture[str]
) -> None:
    album.edit("harbour", "accordion", "concertina")
    album.commit()
    shutil.rmtree(album.folder / "specs")
    (song,) = [
        one for one in document(capsys, album, "diff", "--rev", "HEAD~1", "HEAD")["songs"] if one["state"] != "same"
    ]
    assert song["song"] == "harbour"
    (caption,) = song["texts"]
    assert [word["text"].strip() for word in caption["lines"][0]["words"]] == [
        "A slow",
        "accordion",
        "concertina",
        "waltz",
    ]


def test_words_and_pinned_codes_are_those_of_the_revision(album: Album, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(album.project())
    assert album.ask("pin", "harbour.s1") == 0
    album.commit()
    for name in ("night-bus.txt", *(path.name for path in (album.folder / "specs").glob("*.codes"))):
        (album.folder / "specs" / name).unlink()
    capsys.readouterr()

    assert album.ask("diff", "--rev", "HEAD", "HEAD") == 0

    out, err = capsys.readouterr()
    assert "5 songs as they were" in out
    assert err == ""


def test_a_voice_is_that_of_the_revision_and_a_model_that_of_now(
    album: Album, tiny_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (album.folder / "models").mkdir()
    (album.folder / "models" / "tiny").symlink_to(tiny_set)
    (album.folder / "renderer.toml").write_text('model = "models/tiny"\n[inference]\nuse_cot_caption = false\n')
    voice = album.folder / "voices" / "anna.wav"
    voice.parent.mkdir()
    voice.write_bytes(tone(220))
    album.edit("harbour", "seeds = [1]", 'seeds = [1]\nreference_audio = "../voices/anna.wav"')
    album.commit()
    assert [song for song in document(capsys, album, "diff", "--rev", "HEAD")["songs"] if song["state"] != "same"] == []

    voice.write_bytes(tone(330))

    (song,) = [one for one in document(capsys, album, "diff", "--rev", "HEAD")["songs"] if one["state"] != "same"]
    (take,) = song["takes"]
    assert take["changes"][0]["told"].startswith("reference_audio anna.wav ")
    assert str(album.folder) not in str(song["takes"])


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.mark.parametrize(("kept", "defaults"), [("ignored", True), ("lfs", False)])
def test_what_git_does_not_keep_is_that_of_now(
    album: Album, capsys: pytest.CaptureFixture[str], kept: str, defaults: bool
) -> None:
    (album.folder / "voices").mkdir()
    (album.folder / "voices" / "anna.wav").write_bytes(tone(220))
    (album.folder / "loras" / "jazz").mkdir(parents=True)
    if defaults:
        toml = album.folder / "renderer.toml"
        toml.write_text('reference_audio = "voices/anna.wav"\n' + toml.read_text())
    else:
        album.edit("harbour", "seeds = [1]", 'seeds = [1]\nreference_audio = "../voices/anna.wav"')
    album.write(
        "tin-roof", (album.folder / "specs" / "tin-roof.toml").read_text() + '[[lora]]\npath = "../loras/jazz"\n'
    )
    below = [path for path in album.folder.rglob("*") if path.suffix in (".toml", ".txt")]
    files = {path.relative_to(album.folder).as_posix().encode(): path.read_bytes() for path in below}
    lfs = {b"voices/anna.wav": POINTER, b"loras/jazz/adapter_model.safetensors": POINTER} if kept == "lfs" else {}
    album.repository.commit_files(files | lfs)

    songs = document(capsys, album, "diff", "--rev", "HEAD")["songs"]
    assert [song["state"] for song in songs] == ["same"] * 5


def test_what_was_missing_then_and_is_in_git_by_now_was_missing(
    album: Album, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (album.folder / "voices").mkdir()
    voice = album.folder / "voices" / "anna.wav"
    voice.write_bytes(tone(220))
    album.edit("harbour", "seeds = [1]", 'seeds = [1]\nreference_audio = "../voices/anna.wav"')
    first = album.repository.commit("specs", "renderer.toml")
    album.commit()
    assert changed(document(capsys, album, "status", "--since", first)) == ["harbour.s1"]

    outside = tmp_path / "secret.wav"
    outside.write_bytes(tone(220))
    voice.unlink()
    voice.symlink_to(outside)
    second = album.repository.commit("specs", "renderer.toml")
    found = document(capsys, album, "diff", "--rev", second, second)
    assert {song["song"] for song in found["songs"] if song["state"] == "broken"} == {"harbour"}
    assert "path-outside" in str(found["faults"])


def tone(hertz: float) -> bytes:
    """Two seconds of a WAV file."""
    sound = 0.3 * np.sin(2 * np.pi * hertz * np.arange(96_000) / 48_000)
    file = io.BytesIO()
    soundfile.write(file, sound, 48_000, format="WAV")
    return file.getvalue()


def test_a_fault_of_then_is_told_with_the_place_that_git_knows(
    album: Album, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (album.folder / "specs" / "harbour.toml").read_text()
    album.write("harbour", before + "bpm = 9000\n")
    album.edit("tin-roof", "duration = 10", "duration = 12")
    album.commit()
    album.write("harbour", before)
    album.edit("tin-roof", "duration = 12", "duration = 10")

    assert album.ask("diff", "--rev", "HEAD") == 0

    out, err = capsys.readouterr()
    assert "broken    harbour" in out
    assert "its spec has errors at HEAD" in out
    assert "duration 12.0 → 10.0 in [metas]" in out
    assert "added: harbour.s1" in out
    assert "--> HEAD:specs/harbour.toml:10:7" in err
    assert "bpm = 9000" in err
    assert str(album.folder) not in err
    assert "renderer-" not in err


def test_the_takes_of_a_mended_spec_are_new_and_those_of_a_broken_one_none(
    album: Album, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (album.folder / "specs" / "harbour.toml").read_text()
    album.write("harbour", good + "bpm = 9000\n")
    album.commit()
    album.write("harbour", good)
    mended = document(capsys, album, "status", "--since", "HEAD")
    assert changed(mended) == ["harbour.s1"]
    assert [song["state"] for song in mended["songs"] if song["song"] == "harbour"] == ["broken"]
    assert album.ask("status", "--since", "HEAD") == 0
    assert "  added: harbour.s1" in capsys.readouterr().out

    album.commit()
    album.write("harbour", good + "bpm = 9000\n")

    assert changed(document(capsys, album, "status", "--since", "HEAD")) == []


def test_a_fault_of_the_defaults_of_then_refuses_to_compare(album: Album, capsys: pytest.CaptureFixture[str]) -> None:
    good = (album.folder / "renderer.toml").read_text()
    (album.folder / "renderer.toml").write_text(good + "steps = 4\n")
    album.commit()
    (album.folder / "renderer.toml").write_text(good)

    assert album.ask("diff", "--rev", "HEAD") == 2

    assert "--> HEAD:renderer.toml:4:1" in capsys.readouterr().err


def test_a_project_below_the_repositorys_root_is_compared_with_its_own_specs(
    tmp_path: Path, tiny_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = Repository(tmp_path / "studio")
    album = make_album(tmp_path / "studio" / "albums" / "first", tiny_set)
    shutil.rmtree(album.repository.git)
    (repository.folder / "specs").mkdir()
    (repository.folder / "specs" / "other.toml").write_text('caption = "x"\ninstrumental = true\n')
    repository.commit()
    album.edit("harbour", "accordion", "concertina")
    monkeypatch.chdir(album.folder)

    assert album.ask("diff", "--rev", "HEAD") == 0

    lines = capsys.readouterr().out.splitlines()
    assert "changed   harbour" in lines
    assert "4 songs as they were" in lines
    assert not any("other" in line for line in lines)


def test_takes_of_both_times_are_told_and_heard_side_by_side(album: Album, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(album.project())
    album.edit("harbour", "accordion", "concertina")
    carry_out(album.project())

    assert album.ask("diff", "--rev", "HEAD", "--song", "harb*", "--page") == 0

    out = capsys.readouterr().out
    assert "caption: A slow [-accordion-] {+concertina+} waltz" in out
    assert "from cot on, done: harbour.s1" in out
    page = (album.outputs / "report" / "diff.html").read_text()
    assert page.count("<audio") == 2
    assert 'src="../harbour/harbour.s1.flac"' in page
    assert 'src="../harbour/old/harbour.s1.' in page
    assert str(album.folder) not in page
    assert "<ins>concertina</ins>" in page


@pytest.mark.parametrize("command", [("diff", "--rev", "HEAD"), ("status", "--since", "HEAD")], ids=" ".join)
def test_without_a_repository_one_line_says_so(
    album: Album, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    shutil.rmtree(album.repository.git)
    assert album.ask(*command) == 2
    assert "is in no git repository" in capsys.readouterr().err


def test_no_song_of_that_name_is_told(album: Album, capsys: pytest.CaptureFixture[str]) -> None:
    assert album.ask("diff", "--rev", "HEAD", "--song", "harbor") == 2
    told = capsys.readouterr().err
    assert "no song is called `harbor`, then or now\n  = help: did you mean `harbour`?" in told


@pytest.mark.slow
def test_history_needs_neither_git_nor_torch_and_dulwich_only_when_it_is_asked_for(album: Album) -> None:
    carry_out(album.project())
    code = """
import sys
from renderer.cli.main import run
runs = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "socket.connect")
sys.addaudithook(lambda event, _: event in runs and sys.exit(event))
assert run(["status", *sys.argv[1:]]) == 0
assert run(["diff", "harbour.s1", "tin-roof.s1", "--no-measure"]) == 0
assert not [name for name in sys.modules if name.split(".")[0] == "dulwich"]
assert run(["status", "--since", "HEAD", *sys.argv[1:]]) == 0
assert run(["diff", "--rev", "HEAD", *sys.argv[1:]]) == 0
assert "dulwich" in sys.modules
assert not {"torch", "transformers", "diffusers"} & sys.modules.keys()
assert "dulwich.client" not in sys.modules
"""
    environment = {**os.environ, "PATH": "/nowhere", "GIT_DIR": "/nowhere", "GIT_TRACE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *SET], cwd=album.folder, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
