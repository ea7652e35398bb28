"""A folder of specs becomes takes: once, by stages, and again only where something changed."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
import soundfile

from renderer.errors import UsageError
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.plan.jobs import Why
from renderer.run.events import JobDone
from tests.stages import STAGES, from_stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow


def stages_run(songs: Songs) -> set[str]:
    return {event.job.stage for event in songs.events if isinstance(event, JobDone)}


def test_every_take_has_audio_of_the_asked_length_and_its_recipe_beside_it(songs: Songs) -> None:
    songs.write("eins")

    summary = songs.render()

    assert summary.rendered == ("eins.s1", "eins.s2")
    for seed in (1, 2):
        path = songs.outputs / "eins" / f"eins.s{seed}.flac"
        found = soundfile.info(path)
        assert (found.samplerate, found.channels) == (48_000, 2)
        assert abs(found.duration - 10) <= 0.2
        sidecar = tomllib.loads(path.with_suffix(".toml").read_text("utf-8"))
        assert sidecar["spec"]["metas"]["bpm"] == 90
        assert sidecar["decided"]["keyscale"]


def test_a_batch_reads_each_component_once(songs: Songs) -> None:
    for number in range(5):
        songs.write(f"song{number}")

    summary = songs.render()

    assert len(summary.rendered) == 10
    assert set(summary.loads.values()) == {1}
    assert set(summary.loads) == set(summary.loads_song_by_song)
    assert set(summary.loads_song_by_song.values()) == {10}


def test_rendering_twice_renders_once(songs: Songs) -> None:
    songs.write("eins")
    songs.render()
    before = songs.audio()

    again = songs.render()

    assert (again.rendered, len(again.kept)) == ((), 2)
    assert songs.events[1:] == []
    assert songs.audio() == before


def test_a_changed_shift_renders_that_songs_dit_and_vae_only(songs: Songs) -> None:
    songs.write("eins")
    songs.write("zwei")
    songs.render()
    before = songs.audio()

    songs.edit("eins", "[metas]", "[inference]\nshift = 2.0\n[metas]")
    plan = songs.project().plan()
    summary = songs.render()

    assert [(c.name, c.old, c.new) for c in plan.takes[0].changes] == [("shift", 3.0, 2.0)]
    assert summary.rendered == ("eins.s1", "eins.s2")
    assert stages_run(songs) == {*from_stage("latents")}
    after = songs.audio()
    assert after["zwei.s1.flac"] == before["zwei.s1.flac"]
    assert after["eins.s1.flac"] != before["eins.s1.flac"]


def test_a_new_title_runs_no_stage(songs: Songs) -> None:
    songs.write("eins")
    songs.render()

    songs.edit("eins", 'title = "eins"', 'title = "Ein anderer"')
    summary = songs.render()

    assert stages_run(songs) == set()
    assert summary.retagged == ("eins.s1", "eins.s2")


def test_a_former_version_moves_to_old_and_comes_back_without_rendering(songs: Songs) -> None:
    songs.write("eins")
    songs.render()
    before = songs.audio()
    songs.edit("eins", "calm piano", "wild piano")
    songs.render()

    assert len(list((songs.outputs / "eins" / "old").glob("*.flac"))) == 2
    songs.edit("eins", "wild piano", "calm piano")
    summary = songs.render()

    assert (summary.rendered, summary.restored) == ((), ("eins.s1", "eins.s2"))
    assert songs.audio() == before
    assert all(take.why is Why.DONE for take in songs.project().plan().takes)


def test_a_file_that_bears_a_takes_name_is_never_overwritten(songs: Songs) -> None:
    songs.write("eins")
    songs.render()
    path = songs.outputs / "eins" / "eins.s1.flac"
    path.write_bytes(b"mine")

    summary = songs.render()

    assert summary.rendered == ("eins.s1",)
    (stray,) = (songs.outputs / "eins" / "old").glob("*.flac")
    assert stray.read_bytes() == b"mine"


def test_a_take_sounds_the_same_alone_and_in_a_batch(make_songs: Callable[[str], Songs]) -> None:
    alone, together = make_songs("alone"), make_songs("together")
    alone.write("zwei")
    for name in ("eins", "zwei", "drei"):
        together.write(name)
    together.edit("eins", "la la la", "la la la la\nla la")

    alone.render()
    together.render()

    assert alone.audio()["zwei.s2.flac"] == together.audio()["zwei.s2.flac"]


def test_a_preview_shares_the_chain_of_thought_and_has_a_name_of_its_own(songs: Songs) -> None:
    songs.write("eins")

    preview = songs.render(preview=1.0, first_seed=True)
    songs.render(first_seed=True)

    assert preview.rendered == ("eins.s1.preview1",)
    assert "cot" not in stages_run(songs)
    assert set(songs.audio()) == {"eins.s1.preview1.flac", "eins.s1.flac"}


def test_the_sidecar_tells_what_each_model_was_sent(songs: Songs) -> None:
    songs.write("eins")
    songs.render(first_seed=True)

    sidecar = tomllib.loads((songs.outputs / "eins" / "eins.s1.toml").read_text("utf-8"))

    assert set(sidecar["prompts"]) == {
        *("cot_prompt", "codes_prompt", "codes_negative_prompt"),
        *("latents_text_prompt", "latents_lyric_prompt"),
    }
    assert sidecar["prompts"]["latents_lyric_prompt"].endswith("# Lyric\n[verse]\nla la la<|endoftext|>")
    assert sidecar["made"]["noted"]["latents"]["origins"]["bpm"] == "asked"
    assert sidecar["made"]["noted"]["codes"]["num_codes"] == 50
    assert set(sidecar["made"]["seconds"]) == set(STAGES)


@pytest.mark.parametrize(("tile", "overlap"), [(128, 64), (16, 8), (512, 7), (12, None)])
def test_tiles_that_would_spoil_the_sound_are_refused_before_anything_runs(tile: int, overlap: int | None) -> None:
    with pytest.raises(UsageError, match="VAE tiles"):
        pick_settings(Options(device="cpu", vae_tile=tile, vae_overlap=overlap))


def test_a_smaller_tile_alone_takes_a_smaller_overlap_with_it() -> None:
    settings = pick_settings(Options(device="cpu", vae_tile=128))

    assert (settings.vae_tile, settings.vae_overlap) == (128, 32)
