"""Takes made from takes and files, through the real program: planned, spliced, made again where they hang on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.pipeline.conftest import WITHOUT_LM, Songs

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

HEAD = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = \"\"\"
[verse]
la la la
\"\"\"
seeds = [1]
"""
HEAD += (
    WITHOUT_LM
    + """
[output]
timestamps = false
"""
)
ONE = (
    HEAD
    + """
[edits.fix]
task = "repaint"
src_audio = "s1"
at = [[2.0, 5.0]]
seeds = [11]
[edits.again]
task = "repaint"
src_audio = "fix.s11"
at = [[6.0, 8.0]]
seeds = [12]
"""
)
TWO = (
    HEAD
    + """
[edits.cov]
task = "cover"
src_audio = "one.again.s12"
reference_audio = "voice.wav"
seeds = [13]
"""
)


def _write(songs: Songs) -> None:
    songs.write("one", ONE)
    songs.write("two", TWO)
    noise = np.random.default_rng(1).standard_normal((44_100 * 3, 2)) * 0.1
    soundfile.write(songs.folder / "specs" / "voice.wav", noise, 44_100)


def sound_of(songs: Songs, take: str) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = soundfile.read(
        songs.outputs / take.split(".", maxsplit=1)[0] / f"{take}.flac", always_2d=True
    )[0]
    return found


@pytest.mark.slow
def test_a_chain_loads_each_part_as_planned_and_one_change_at_its_root_makes_it_again(songs: Songs) -> None:
    _write(songs)
    plan = songs.project().plan()
    loads = plan.loads()
    assert loads["dit"] == 1
    assert loads["vae"] == 2  # its encoder for the voice, its decoder for all of them
    songs.render()
    source, fixed, again = (sound_of(songs, take) for take in ("one.s1", "one.fix.s11", "one.again.s12"))
    assert _differing(source, fixed) == pytest.approx((2.0, 5.0), abs=0.05)
    assert _differing(fixed, again) == pytest.approx((6.0, 8.0), abs=0.05)
    assert not songs.project().plan().running
    songs.edit("one", "calm piano", "wild piano")
    assert {take.name for take in songs.project().plan().running} == {
        *("one.s1", "one.fix.s11", "one.again.s12"),
        "two.cov.s13",
    }


@pytest.mark.slow
def test_an_edit_of_what_is_there_is_the_edit_of_a_batch(make_songs: Callable[[str], Songs]) -> None:
    whole, parts = make_songs("whole"), make_songs("parts")
    _write(whole)
    whole.render()
    parts.write("one", HEAD)
    parts.render()
    parts.write("one", ONE)
    parts.render()
    _write(parts)
    parts.render()
    assert parts.audio() == whole.audio()


ROOT = """
[edits.root]
task = "repaint"
src_audio = "demo.wav"
at = [[2.0, 5.0]]
seeds = [11]
[edits.third]
task = "repaint"
src_audio = "two.second.s12"
at = [[6.0, 8.0], [1.0, 2.0]]
reference_audio = "demo.wav"
seeds = [13]
[edits.aside]
task = "cover-nofsq"
src_audio = "s1"
seeds = [15]
"""
SECOND = """
[edits.second]
task = "cover"
src_audio = "one.root.s11"
audio_cover_strength = 0.5
seeds = [12]
[edits.fourth]
task = "repaint"
src_audio = "one.third.s13"
at = [[3.0, 4.0]]
seeds = [14]
"""
CHAIN = {"one.root.s11", "two.second.s12", "one.third.s13", "two.fourth.s14"}


@pytest.mark.slow
def test_four_generations_of_two_songs_and_a_file_load_as_planned_and_run_again_as_they_hang_on_it(
    songs: Songs,
) -> None:
    songs.write("one", HEAD + ROOT)
    songs.write("two", HEAD + SECOND)
    noise = np.random.default_rng(2).standard_normal((44_100 * 9, 2)) * 0.1
    soundfile.write(songs.folder / "specs" / "demo.wav", noise, 44_100)
    planned = songs.project().plan().loads()

    summary = songs.render()

    assert summary.loads == {part: count for part, count in planned.items() if count}
    assert (planned["dit"], planned["vae"]) == (1, 2)
    assert len(summary.rendered) == 7
    third, fourth = (sound_of(songs, take) for take in ("one.third.s13", "two.fourth.s14"))
    assert _differing(third, fourth) == pytest.approx((3.0, 4.0), abs=0.05)
    before = songs.audio()

    songs.edit("one", "at = [[2.0, 5.0]]", "at = [[2.0, 4.5]]")
    assert {take.name for take in songs.project().plan().running} == CHAIN
    songs.render()

    changed = {name.removesuffix(".flac") for name, content in songs.audio().items() if before[name] != content}
    assert changed == CHAIN
    songs.edit("one", "at = [[2.0, 4.5]]", "at = [[2.0, 5.0]]")
    assert not songs.project().plan().running


def _differing(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Seconds of the first and the last sample that differ."""
    found = np.nonzero((one != other).any(axis=1))[0]
    return found[0] / 48_000, found[-1] / 48_000
