"""`vae` in a spec: another decoder for the same latents, in the key of the waveform and nowhere else."""

from __future__ import annotations

import json
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.errors import ModelError, SpecError
from renderer.plan.jobs import Why
from renderer.report.build import make_report
from renderer.run.events import JobDone
from renderer.spec.diagnostics import place
from tests.models.catalog.vaes import write_vae

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.plan.jobs import TakePlan
    from tests.pipeline.conftest import Songs


@pytest.fixture(scope="module")
def bright(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE for the tiny set's latents with other weights than its own."""
    return write_vae(tmp_path_factory.mktemp("vaes") / "bright", tiny_set / "vae")


def named(songs: Songs, vae: Path | str, *, song: str = "eins") -> None:
    """Give the song a variant of that VAE."""
    path = songs.folder / "specs" / f"{song}.toml"
    path.write_text(path.read_text("utf-8") + f'[variants.other]\nvae = "{vae}"\n', "utf-8")


def stages_run(songs: Songs) -> set[str]:
    return {event.job.stage for event in songs.events if isinstance(event, JobDone)}


def planned(songs: Songs, name: str) -> TakePlan:
    return next(take for take in songs.project().plan().takes if take.name == name)


def sidecar(songs: Songs, take: str) -> dict[str, dict[str, object]]:
    return tomllib.loads((songs.outputs / "eins" / f"{take}.toml").read_text("utf-8"))


@pytest.mark.slow
def test_another_vae_makes_the_sound_anew_and_nothing_else(songs: Songs, bright: Path) -> None:
    songs.write("eins")
    songs.render(first_seed=True)
    before = songs.audio()
    named(songs, bright)

    summary = songs.render(first_seed=True)

    assert summary.rendered == ("eins.other.s1",)
    assert stages_run(songs) == {"waveform"}
    after = songs.audio()
    assert after["eins.s1.flac"] == before["eins.s1.flac"]
    assert after["eins.other.s1.flac"] != before["eins.s1.flac"]
    assert sidecar(songs, "eins.other.s1")["spec"]["vae"] == "bright"
    assert "vae" not in sidecar(songs, "eins.s1")["spec"]
    weights = [sidecar(songs, take)["weights"] for take in ("eins.s1", "eins.other.s1")]
    assert {part for part in weights[0] if weights[0][part] != weights[1][part]} == {"vae"}


@pytest.mark.slow
def test_a_batch_with_two_vaes_loads_each_once(make_songs: Callable[[str], Songs], bright: Path) -> None:
    alone, together = make_songs("alone"), make_songs("together")
    alone.write("zwei")
    named(alone, bright, song="zwei")
    for name in ("eins", "zwei", "drei"):
        together.write(name)
        named(together, bright, song=name)
    plan = together.project(first_seed=True).plan()

    summary = together.render(first_seed=True)
    alone.edit("zwei", "seeds = [1, 2]", "seeds = [1]")
    alone.render()

    assert [(group.part, len(group.jobs)) for group in plan.groups if group.part == "vae"] == [("vae", 3)] * 2
    assert summary.loads == plan.loads()
    assert {name: count for name, count in summary.loads.items() if count != 1} == {"vae": 2}
    assert len(summary.rendered) == 6
    for take in ("zwei.s1.flac", "zwei.other.s1.flac"):
        assert alone.audio()[take] == together.audio()[take]


@pytest.mark.slow
def test_the_sets_own_vae_by_another_name_changes_nothing(
    make_songs: Callable[[str], Songs], tiny_set: Path, tmp_path: Path
) -> None:
    own, copied = make_songs("own"), shutil.copytree(tiny_set / "vae", tmp_path / "copied")
    own.write("eins")
    own.render(first_seed=True)
    before = own.audio()

    for vae in (tiny_set / "vae", copied):
        own.write("eins")
        own.edit("eins", "seeds", f'vae = "{vae}"\nseeds')
        assert planned(own, "eins.s1").why is Why.DONE

    own.render(first_seed=True, force=True)
    assert own.audio() == before


@pytest.mark.slow
def test_a_vae_that_was_moved_is_the_same_vae(songs: Songs, bright: Path) -> None:
    songs.write("eins")
    named(songs, bright)
    songs.render(first_seed=True)
    moved = shutil.copytree(bright, songs.folder / "specs" / "vaes" / "bright")

    songs.edit("eins", f'"{bright}"', '"vaes/bright"')

    take = planned(songs, "eins.other.s1")
    assert (take.why, take.files.vae) == (Why.DONE, str(moved))


@pytest.mark.slow
def test_status_and_report_tell_of_the_vae_by_name(songs: Songs, bright: Path, tiny_set: Path) -> None:
    songs.write("eins")
    songs.render(first_seed=True)
    songs.edit("eins", "seeds", f'vae = "{bright}"\nseeds')

    changed = planned(songs, "eins.s1")
    assert [change.text_with_place for change in changed.changes] == ["vae none → bright"]
    assert changed.runs == ("waveform",)
    songs.render(first_seed=True)

    (take, _) = make_report(songs.project()).songs[0].takes
    assert take.vae == "bright"
    assert [former.changes for former in take.former] == ["vae none → bright"]
    songs.edit("eins", f'"{bright}"', f'"{tiny_set / "vae"}"')
    assert planned(songs, "eins.s1").why is Why.RESTORED


@pytest.mark.slow
def test_a_variants_vae_is_told_with_its_table(songs: Songs, bright: Path, tiny_set: Path) -> None:
    songs.write("eins")
    named(songs, tiny_set / "vae")
    songs.render(first_seed=True)
    songs.edit("eins", f'"{tiny_set / "vae"}"', f'"{bright}"')

    (change,) = planned(songs, "eins.other.s1").changes
    assert change.text_with_place == "vae none → bright in [variants.other]"


@pytest.mark.slow
def test_a_preview_is_decoded_by_the_same_vae(songs: Songs, bright: Path) -> None:
    songs.write("eins")
    named(songs, bright)

    summary = songs.render(first_seed=True, preview=1.0)

    assert summary.loads["vae"] == 2
    audio = songs.audio()
    assert audio["eins.s1.preview1.flac"] != audio["eins.other.s1.preview1.flac"]


def test_renderer_toml_gives_every_song_its_vae_and_the_command_line_another(
    songs: Songs, bright: Path, tiny_set: Path
) -> None:
    songs.write("eins")
    shutil.copytree(bright, songs.folder / "vaes" / "bright")
    defaults = songs.folder / "renderer.toml"
    # Relative to the file that names it, which isn't beside the specs.
    defaults.write_text(f'vae = "vaes/bright"\n{defaults.read_text("utf-8")}', "utf-8")
    asked = {vae: songs.project(vae=vae).plan().takes[0] for vae in (None, str(tiny_set / "vae"))}

    assert asked[None].files.vae == str(songs.folder / "vaes" / "bright")
    own, other = (take.keys for take in asked.values())
    assert {stage for stage in own if own[stage] != other[stage]} == {"waveform"}
    # Another model set comes with its own.
    assert songs.project(model=str(tiny_set)).plan().takes[0].files.vae == str(tiny_set / "vae")


def a_file(folder: Path) -> str:
    return str(folder / "fine" / "diffusion_pytorch_model.safetensors")


def nothing(folder: Path) -> str:
    return str(folder / "nowhere")


def without_config(folder: Path) -> str:
    (folder / "fine" / "config.json").unlink()
    return str(folder / "fine")


def without_weights(folder: Path) -> str:
    (folder / "fine" / "diffusion_pytorch_model.safetensors").unlink()
    return str(folder / "fine")


def an_empty_folder(folder: Path) -> str:
    (folder / "empty").mkdir()
    return str(folder / "empty")


def a_whole_set(folder: Path) -> str:
    shutil.copytree(folder / "fine", folder / "bundle" / "vae")
    return str(folder / "bundle")


def an_lm(folder: Path) -> str:
    (folder / "fine" / "config.json").write_text('{"model_type": "qwen3"}')
    return str(folder / "fine")


def of_stable_audio_tools(folder: Path) -> str:
    config = {"model_type": "autoencoder", "sample_rate": 48_000, "model": {"encoder": {"type": "oobleck"}}}
    (folder / "fine" / "config.json").write_text(json.dumps(config))
    return str(folder / "fine")


def half_a_config(folder: Path) -> str:
    (folder / "fine" / "config.json").write_text('{"_class_name": "AutoencoderOobleck", "sampling_rate": 48000}')
    return str(folder / "fine")


def of_wider_latents(folder: Path) -> str:
    return str(write_vae(folder / "wide", folder / "fine", decoder_input_channels=16))


def of_other_hops(folder: Path) -> str:
    return str(write_vae(folder / "coarse", folder / "fine", downsampling_ratios=[2, 4, 4, 8, 8]))


def of_another_rate(folder: Path) -> str:
    return str(write_vae(folder / "cd", folder / "fine", sampling_rate=44_100))


def of_ace_steps_latents(folder: Path) -> str:
    del folder
    return "scragvae"


@pytest.mark.parametrize(
    ("make", "message", "way_out"),
    [
        (a_file, "is a file where a folder belongs", "a VAE is a folder with config.json and"),
        (nothing, "there is no VAE", "neither a known name nor a folder"),
        (without_config, "holds weights without a config.json", "in the format of diffusers"),
        (without_weights, "lacks the VAE's weights", "copy what is missing there"),
        (an_empty_folder, "holds no VAE", "a VAE is a folder with config.json and"),
        (a_whole_set, "holds more than a VAE", "bundle/vae"),
        (an_lm, "holds another model", "names `qwen3`, a VAE's `AutoencoderOobleck`"),
        (of_stable_audio_tools, "in the format of stable-audio-tools", "take the same VAE in the format of diffusers"),
        (half_a_config, "doesn't tell what the VAE decodes", "no usable 'decoder_input_channels'"),
        (of_wider_latents, "can't decode what", "latents of 16 channels"),
        (of_other_hops, "can't decode what", "2048 samples each"),
        (of_another_rate, "can't decode what", "44100 Hz"),
        (of_ace_steps_latents, "`scragvae` can't decode what", "latents of 64 channels"),
    ],
)
def test_a_vae_that_can_not_decode_is_refused_where_it_is_named(
    songs: Songs, bright: Path, tmp_path: Path, make: Callable[[Path], str], message: str, way_out: str
) -> None:
    shutil.copytree(bright, tmp_path / "models" / "fine")
    path = songs.write("eins")
    named(songs, make(tmp_path / "models"))

    with pytest.raises(SpecError) as raised:
        songs.project().plan()

    (fault,) = raised.value.diagnostics
    assert message in fault.message
    assert way_out in f"{fault.why} {fault.help}"
    line = len(path.read_text("utf-8").splitlines())
    assert place(fault) == f"{path}:{line}:7"
    assert fault.excerpt.startswith("vae = ")


def test_what_is_wrong_with_models_is_told_of_all_songs_at_once(
    songs: Songs, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("eins", "zwei"):
        songs.write(name)
        named(songs, f"{bright}-of-{name}", song=name)

    assert run(["plan", "--device", "cpu", str(songs.folder / "specs")]) == 2

    told = capsys.readouterr().err
    assert told.count("there is no VAE") == 2
    assert "2 errors" in told


@pytest.mark.slow
def test_keeping_going_costs_only_the_songs_with_the_wrong_model(
    songs: Songs, bright: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.write("eins")
    songs.write("zwei")
    named(songs, f"{bright}-not", song="zwei")
    asked = ["render", "--device", "cpu", "--threads", "1", "--first-seed", "--lm-slots", "2", "--no-measure"]

    assert run([*asked, str(songs.folder / "specs")]) == 2
    assert songs.audio() == {}
    assert run([*asked, "--keep-going", str(songs.folder / "specs")]) == 1

    assert set(songs.audio()) == {"eins.s1.flac"}
    assert "there is no VAE" in capsys.readouterr().err
    assert run([*asked, "--keep-going", str(songs.folder / "specs" / "zwei.toml")]) == 2


def test_a_vae_of_the_command_line_has_no_place_in_a_spec(songs: Songs, bright: Path) -> None:
    songs.write("eins")
    named(songs, bright)

    with pytest.raises(ModelError, match="there is no VAE"):
        songs.project(vae="/nowhere").plan()
