"""A take tells how to make it again: from every format, the imported spec asks for the same samples."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import soundfile
import tomli_w

from renderer.cli.main import run
from renderer.formats.table import FORMATS
from renderer.takes.from_recipe import differences, remake
from renderer.takes.pin import pin
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.pipeline.conftest import Songs

SPEC = """
title = "Eins"
caption = "calm piano; \\"quoted\\", Ñandú"
lyrics = \"\"\"
[verse] (whispered)
la 'la' "la"
[chorus]
雨の駅
\"\"\"
seeds = [1, 4294967295]
max_duration = 60
[metas]
keyscale = "F# major"
vocal_language = "ja"
[inference]
timesteps = [1.0, 0.5, 0.25]
lm_temperature = 0.7
[variants.wide]
shift = 2.0
[output]
format = "{format}"
"""


def imported(songs: Songs, file: Path, name: str) -> None:
    assert run(["import", str(file), "--to", str(songs.folder / "specs")]) == 0
    (found,) = (songs.folder / "specs").glob("*.toml")
    found.rename(found.with_name(f"{name}.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("take", ["eins.wide.s4294967295", "eins.s1"])
def test_the_imported_spec_renders_the_same_samples(
    make_songs: Callable[[str], Songs], format_name: str, take: str
) -> None:
    first, again = make_songs("first"), make_songs("again")
    first.write("eins", SPEC.replace("{format}", format_name))
    carry_out(first.project())
    file = first.outputs / "eins" / f"{take}.{format_name}"

    imported(again, file, "eins")
    carry_out(again.project())

    (made,) = again.outputs.glob(f"*/*.{format_name}")
    before, after = (soundfile.read(path, dtype="float32")[0] for path in (file, made))
    assert before.shape == after.shape
    assert (before == after).all()


def test_a_pinned_take_brings_its_codes_along(make_songs: Callable[[str], Songs]) -> None:
    first, again = make_songs("first"), make_songs("again")
    first.write("eins", SPEC.replace("{format}", "flac"))
    carry_out(first.project())
    pin(first.project(), "eins.s1", {})
    first.edit("eins", "雨の駅", "雨の夜")
    carry_out(first.project())
    wanted = {take.name: take.keys for take in first.project().plan().takes}["eins.s1"]

    assert run(["import", str(first.outputs / "eins" / "eins.s1.flac"), "--to", str(again.folder / "specs")]) == 0

    (take,) = again.project().plan().takes
    assert take.keys == wanted
    assert "codes" not in take.runs


def test_a_default_that_would_change_the_song_is_told(
    make_songs: Callable[[str], Songs], capsys: pytest.CaptureFixture[str]
) -> None:
    first, again = make_songs("first"), make_songs("again")
    first.write("eins", SPEC.replace("{format}", "flac"))
    carry_out(first.project())
    defaults = again.folder / "renderer.toml"
    defaults.write_text(defaults.read_text("utf-8") + "[metas]\nbpm = 120\n", "utf-8")

    imported(again, first.outputs / "eins" / "eins.s1.flac", "eins")

    told = capsys.readouterr().out
    assert "`metas.bpm` is 120, the recipe has None" in told
    assert "was a folder called `tiny`" in told
    assert "--lm-slots 2" in told


def test_a_recipe_of_keys_alone_is_refused_and_its_sidecar_taken(make_songs: Callable[[str], Songs]) -> None:
    songs = make_songs("first")
    songs.write("eins", SPEC.replace("{format}", "flac") + 'recipe = "key"\n')
    carry_out(songs.project())
    audio = songs.outputs / "eins" / "eins.s1.flac"

    assert run(["import", str(audio), "--to", str(songs.folder / "again")]) == 2
    remade = remake(audio.with_suffix(".toml"), name="eins")

    take = next(take.take for take in songs.project().plan().takes if take.name == "eins.s1")
    # What the spec left to the checkpoint: the recipe tells what ran.
    assert [told.split("`")[1] for told in differences(take, remade)] == [
        "inference.dcw_enabled",
        "inference.inference_steps",
        "inference.guidance_scale",
        "inference.shift",
    ]


def test_a_recipe_from_before_dcw_makes_a_spec_without_it(make_songs: Callable[[str], Songs]) -> None:
    """On turbo it would be on by itself, and other samples would come out."""
    songs = make_songs("first")
    songs.write("eins", SPEC.replace("{format}", "flac"))
    carry_out(songs.project())
    sidecar = songs.outputs / "eins" / "eins.s1.toml"
    recipe = tomllib.loads(sidecar.read_text("utf-8"))
    later = {
        "sampler_mode",
        "retake_variance",
        *(f"dcw_{name}" for name in ("enabled", "mode", "scaler", "high_scaler")),
    }
    assert later <= set(recipe["spec"]["inference"])
    for name in later:
        del recipe["spec"]["inference"][name]
    sidecar.write_text(tomli_w.dumps(recipe), "utf-8")

    remade = remake(sidecar, name="eins")

    assert remade.values["inference"]["dcw_enabled"] is False
    # Of the others it tells nothing: they were off, and are.
    assert not [told for told in differences(songs.project().plan().takes[0].take, remade) if "retake" in told]


def test_a_setting_without_effect_leaves_the_audio_as_it_is(make_songs: Callable[[str], Songs]) -> None:
    plain, guided = make_songs("plain"), make_songs("guided")
    for songs in (plain, guided):
        songs.write("eins", SPEC.replace("{format}", "flac"))
    guided.edit("eins", "lm_temperature", "guidance_scale = 9.0\nlm_temperature")

    carry_out(plain.project())
    carry_out(guided.project())

    assert plain.audio() == guided.audio()


def test_seeds_that_no_spec_can_name_are_left_out_and_told(
    make_songs: Callable[[str], Songs], capsys: pytest.CaptureFixture[str]
) -> None:
    """Version 0.1.0 took seeds of 64 bits on the command line."""
    first, again = make_songs("first"), make_songs("again")
    first.write("eins", SPEC.replace("{format}", "flac"))
    carry_out(first.project())
    sidecar = first.outputs / "eins" / "eins.s1.toml"
    recipe = tomllib.loads(sidecar.read_text("utf-8"))
    recipe["spec"] |= {"seeds": [4294967297], "inference": {**recipe["spec"]["inference"], "lm_seed": 2**40}}
    sidecar.write_text(tomli_w.dumps(recipe), "utf-8")

    assert run(["import", str(sidecar), "--to", str(again.folder / "specs")]) == 0

    said = capsys.readouterr().out
    assert "`seeds`, which was [4294967297]: seeds run from 0 to 4294967295" in said
    assert "`lm_seed`, which was 1099511627776" in said
    assert run(["check", str(again.folder / "specs")]) == 0
