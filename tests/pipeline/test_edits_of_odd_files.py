"""Takes made from sound files of every kind, through the real program: of the right length, or refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.errors import SpecError
from renderer.facts import SAMPLE_RATE
from renderer.models.ace_step.protocol.sound_files import look_at
from renderer.pipeline.options import Options
from renderer.pipeline.project import refuse_faults
from renderer.pipeline.select import select
from renderer.spec.diagnostics import Level
from renderer.spec.load import load_songs
from tests.models.ace_step.vae.test_read_file import READ, REFUSED
from tests.pipeline.test_edit_takes import HEAD, sound_of

if TYPE_CHECKING:
    from renderer.spec.diagnostics import Diagnostic
    from tests.pipeline.conftest import Songs

OPTIONS = Options(device="cpu")
EDIT = """
[edits.e{number}]
task = "{task}"
src_audio = "{file}"
seeds = [2]
"""
LATE = ("a flac cut off", "a rate of 47,999 Hz", "silence", "next to silence", "NaN", "infinity")
"""What only reading tells."""
ODD = ("nothing there", "a folder", "a pipe")
"""What is no file, and so a fault of the spec."""


def with_files(songs: Songs, kinds: dict[str, str]) -> dict[str, str]:
    """A song with an edit for each kind of file; take -> kind."""
    text, takes = "base = false\n" + HEAD, {}
    for number, (kind, task) in enumerate(kinds.items()):
        folder = songs.folder / "specs" / f"sound{number}"
        folder.mkdir(parents=True)
        path = (READ | REFUSED)[kind](folder)
        name = f"sound{number}/{path.name}".replace('"', '\\"')
        text += EDIT.format(number=number, task=task, file=name)
        takes[f"odd.e{number}.s2"] = kind
    songs.write("odd", text)
    return takes


@pytest.mark.slow
def test_each_kind_that_can_be_read_gives_a_take_as_long_as_it_and_the_others_fail_alone(songs: Songs) -> None:
    tasks = ("cover-nofsq", "cover")
    kinds = {kind: tasks[number % 2] for number, kind in enumerate(READ)} | dict.fromkeys(LATE, "cover")
    takes = with_files(songs, kinds)

    summary = songs.render()

    failed = {takes[one.take]: one.error for one in summary.failures}
    assert set(failed) == set(LATE)
    assert all(error.message and "Traceback" not in error.message + error.why for error in failed.values())
    assert {takes[name] for name in summary.rendered} == set(READ)
    for take in summary.rendered:
        number = take.split(".")[1][1:]
        (file,) = (songs.folder / "specs" / f"sound{number}").iterdir()
        assert len(sound_of(songs, take)) == round(look_at(file, 600.0).seconds * SAMPLE_RATE)


HEADS = [kind for kind in REFUSED if kind not in (*LATE, *ODD)]
"""What a look at a file's head tells."""


@pytest.mark.parametrize("kind", HEADS)
def test_what_its_head_tells_is_a_fault_where_the_file_is_named(kind: str, songs: Songs) -> None:
    with_files(songs, {kind: "cover"})
    spec = songs.folder / "specs" / "odd.toml"
    spec.write_text(spec.read_text("utf-8") + f'reference_audio = "{file_of(songs, 0)}"\n', "utf-8")

    loaded = load_songs([spec])

    assert loaded.songs == ()
    assert [told(one) for one in loaded.errors] == [("audio-file", f'"{file_of(songs, 0)}"')] * 2
    assert all("Traceback" not in one.message + one.why for one in loaded.errors)


def test_broken_sounds_of_all_songs_are_told_at_once_beside_other_faults_and_keep_no_other_song(
    songs: Songs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_files(songs, dict.fromkeys(HEADS, "cover"))
    songs.write("voice", f'reference_audio = "{file_of(songs, 0)}"\n' + HEAD)
    songs.write("on-top", HEAD + '[edits.more]\ntask = "cover"\nsrc_audio = "odd.e0.s2"\nseeds = [3]\n')
    songs.write("typo", HEAD.replace("bpm = 90", "bpm = 9000"))
    songs.write("good", HEAD)
    monkeypatch.chdir(songs.folder)

    with pytest.raises(SpecError) as refused:
        refuse_faults(select((), OPTIONS), OPTIONS)
    assert run(["plan", "--keep-going", "--device", "cpu"]) == 0

    errors = [one for one in refused.value.diagnostics if one.level is Level.ERROR]
    assert sum(one.code == "audio-file" for one in errors) == len(HEADS) + 1
    assert {one.file.stem for one in errors if one.file} == {"odd", "voice", "on-top", "typo"}
    assert all(one.span for one in errors)
    out = capsys.readouterr().out
    assert "good.s1" in out
    assert not any(name in out for name in ("odd.", "voice.", "on-top.", "typo."))


def test_a_broken_voice_of_all_songs_is_told_in_renderer_toml(songs: Songs) -> None:
    (songs.folder / "voice.wav").write_bytes(b"no sound at all" * 100)
    defaults = songs.folder / "renderer.toml"
    defaults.write_text('reference_audio = "voice.wav"\n' + defaults.read_text("utf-8"), "utf-8")
    songs.write("one", HEAD)

    loaded = load_songs([songs.folder / "specs"])

    assert [(one.file, *told(one)) for one in loaded.errors] == [(defaults, "audio-file", '"voice.wav"')]
    assert loaded.songs == ()


def file_of(songs: Songs, number: int) -> str:
    """A file of `with_files` as a spec names it."""
    (file,) = (songs.folder / "specs" / f"sound{number}").iterdir()
    return f"sound{number}/{file.name}"


def told(fault: Diagnostic) -> tuple[str, str]:
    """The code, and what the caret stands under."""
    return fault.code, fault.excerpt[fault.span.column - 1 : fault.span.end - 1] if fault.span else ""
