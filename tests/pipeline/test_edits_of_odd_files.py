"""Takes made from sound files of every kind, through the real program: of the right length, or refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.errors import RendererError
from renderer.facts import SAMPLE_RATE
from renderer.models.ace_step.protocol.sound_files import look_at
from tests.models.ace_step.vae.test_read_file import READ, REFUSED
from tests.pipeline.test_edit_takes import HEAD, sound_of

if TYPE_CHECKING:
    from tests.pipeline.conftest import Songs

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


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind not in (*LATE, *ODD)])
def test_what_its_head_tells_is_refused_before_anything_runs(kind: str, songs: Songs) -> None:
    with_files(songs, {kind: "cover"})

    with pytest.raises(RendererError) as refused:
        songs.project().plan()

    assert refused.value.message
    assert "Traceback" not in refused.value.message + refused.value.why
