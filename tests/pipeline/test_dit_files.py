"""`model` as one safetensors file with `based_on`: planned, rendered and told of like any other model."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from safetensors.torch import load_file, save_file

from renderer.cli.main import run
from renderer.errors import ModelError, SpecError
from renderer.models.catalog import hub
from renderer.plan.jobs import Why
from renderer.report.build import make_report
from renderer.run.events import JobDone
from renderer.spec.diagnostics import place
from tests.models.ace_step.layouts import write_bundle
from tests.pipeline.conftest import Songs
from tests.stages import from_stage

if TYPE_CHECKING:
    from renderer.run.executor import Executor

DIT = "acestep-v15-turbo"


@pytest.fixture(scope="module")
def bundle(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set in ACE-Step's own layout."""
    return write_bundle(tiny_set, tmp_path_factory.mktemp("models") / "checkpoints")


@pytest.fixture(scope="module")
def merge(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights than the set's, in one file, called as ComfyUI calls them."""
    path = tmp_path_factory.mktemp("merges") / "ta_0.5.safetensors"
    tensors = load_file(bundle / DIT / "model.safetensors")
    save_file({f"model.diffusion_model.{name}": tensor * 1.02 for name, tensor in tensors.items()}, path)
    return path


@pytest.fixture
def songs(tmp_path: Path, bundle: Path, executor: Executor) -> Songs:
    return Songs(tmp_path / "project", bundle, executor)


@pytest.mark.slow
def test_a_merge_is_rendered_beside_what_it_was_made_from(songs: Songs, bundle: Path, merge: Path) -> None:
    songs.write("eins")
    songs.render(first_seed=True)
    songs.edit("eins", "[metas]", f'[variants.merge]\nmodel = "{merge}"\nbased_on = "{bundle}"\n[metas]')

    summary = songs.render(first_seed=True)

    # The LM is the same one: only the DiT and what hangs on it run.
    assert summary.rendered == ("eins.merge.s1",)
    assert {event.job.stage for event in songs.events if isinstance(event, JobDone)} == {*from_stage("latents")}
    audio = songs.audio()
    assert audio["eins.s1.flac"] != audio["eins.merge.s1.flac"]
    sidecar = tomllib.loads((songs.outputs / "eins" / "eins.merge.s1.toml").read_text("utf-8"))
    assert (sidecar["spec"]["model"], sidecar["spec"]["based_on"]) == ("ta_0.5.safetensors", "checkpoints")
    take = next(take for take in make_report(songs.project(first_seed=True)).songs[0].takes if take.variant)
    assert take.based_on == "checkpoints"


@pytest.mark.slow
def test_a_merge_that_was_moved_or_renamed_changes_nothing(songs: Songs, bundle: Path, merge: Path) -> None:
    songs.write("eins")
    songs.edit("eins", "seeds", f'model = "{merge}"\nbased_on = "{bundle}"\nseeds')
    songs.render(first_seed=True)
    shutil.copy(merge, songs.folder / "specs" / "mine.safetensors")

    songs.edit("eins", f'"{merge}"', '"mine.safetensors"')

    (take, *_) = songs.project(first_seed=True).plan().takes
    assert (take.why, take.files.dit_file) == (Why.DONE, str(songs.folder / "specs" / "mine.safetensors"))


def test_status_tells_of_the_file_and_of_what_it_is_based_on(songs: Songs, bundle: Path, merge: Path) -> None:
    songs.write("eins")
    songs.render(first_seed=True)
    songs.edit("eins", "seeds", f'model = "{merge}"\nbased_on = "{bundle}"\nseeds')

    (take, *_) = songs.project(first_seed=True).plan().takes
    assert {change.text for change in take.changes} == {
        "model checkpoints → ta_0.5.safetensors",
        "based_on none → checkpoints",
    }
    assert take.runs == from_stage("latents")


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ('model = "nowhere.safetensors"\nbased_on = "{bundle}"', "model", "there is no file"),
        ('model = "{merge}"', "model", "nothing tells the sizes"),
        ('model = "{merge}"\nbased_on = "{tiny}"', "based_on", "can't be based on a set in diffusers' layout"),
        ('model = "{merge}"\nbased_on = "mini"', "based_on", "can't be based on a set in diffusers' layout"),
        ('model = "{merge}"\nbased_on = "./nowhere"', "based_on", "there is no model"),
        ('model = "{bundle}/vae/diffusion_pytorch_model.safetensors"\nbased_on = "{bundle}"', "model", "is no DiT"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_where_it_is_named(
    songs: Songs, bundle: Path, merge: Path, tiny_set: Path, written: str, key: str, message: str
) -> None:
    path = songs.write("eins")
    songs.edit("eins", "seeds", f"{written.format(bundle=bundle, merge=merge, tiny=tiny_set)}\nseeds")

    with pytest.raises(SpecError) as raised:
        songs.project().plan()

    (fault,) = raised.value.diagnostics
    assert message in fault.message
    assert fault.excerpt.startswith(f"{key} = ")
    assert place(fault).startswith(f"{path}:")


def test_a_base_that_is_not_on_disk_is_named_for_fetching(
    songs: Songs, merge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    songs.write("eins")
    songs.edit("eins", "seeds", f'model = "{merge}"\nbased_on = "xl-base"\nseeds')

    assert songs.project().missing()[:1] == ("xl-base",)


def test_a_known_base_needs_only_what_the_file_does_not_hold(
    songs: Songs, bundle: Path, merge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    checkpoints = shutil.copytree(bundle, tmp_path / "checkpoints")
    (checkpoints / DIT).rename(checkpoints / "acestep-v15-sft")
    config = checkpoints / "acestep-v15-sft" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "is_turbo": False, "model_version": "sft"}))
    (checkpoints / "acestep-v15-sft" / "model.safetensors").unlink()
    hub.remember_folder(checkpoints)
    songs.write("eins")
    songs.edit("eins", "seeds", f'model = "{merge}"\nbased_on = "sft"\nseeds')
    songs.edit("eins", "[metas]", "[inference]\ninference_steps = 2\n[metas]")

    summary = songs.render(first_seed=True, preview=1.0)

    assert summary.rendered == ("eins.s1.preview1",)
    asked = summary.plan.takes[0].requests["latents"]
    assert (asked["inference_steps"], asked["guidance_scale"]) == (2, 7.0)


def test_a_file_of_other_sizes_than_its_base_is_refused_before_anything_runs(
    songs: Songs, bundle: Path, merge: Path, tmp_path: Path
) -> None:
    wrong = shutil.copytree(bundle, tmp_path / "checkpoints")
    config = wrong / DIT / "config.json"
    sizes = json.loads(config.read_text())
    config.write_text(json.dumps({**sizes, "intermediate_size": sizes["intermediate_size"] + 8}))
    songs.write("eins")
    songs.edit("eins", "seeds", f'model = "{merge}"\nbased_on = "{wrong}"\nseeds')

    with pytest.raises(ModelError) as raised:
        songs.render(first_seed=True)

    assert "has the shape" in raised.value.message
    assert str(merge) in raised.value.why
    assert raised.value.help == f"its sizes are from `{config}`: name what it was made from in `based_on`"


def test_a_take_of_a_merge_says_what_to_write_when_it_is_imported(
    songs: Songs, bundle: Path, merge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs.write("eins")
    songs.edit("eins", "seeds", f'model = "{merge}"\nbased_on = "{bundle}"\nseeds')
    songs.render(first_seed=True)

    assert run(["import", str(songs.outputs / "eins" / "eins.s1.flac"), "--to", str(tmp_path / "again")]) == 0

    assert "`model` was a file called `ta_0.5.safetensors`, based on `checkpoints`" in capsys.readouterr().out
    (spec,) = (tmp_path / "again").glob("*.toml")
    assert not {"model", "based_on"} & set(tomllib.loads(spec.read_text("utf-8")))


@pytest.mark.slow
def test_models_doctor_and_plan_show_what_specs_name(
    songs: Songs,
    bundle: Path,
    merge: Path,
    tiny_set: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(tiny_set / "vae", songs.folder / "bright")
    config = songs.folder / "bright" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "comment": "another"}))
    songs.write("eins")
    songs.edit("eins", "seeds", f'model = "{merge}"\nbased_on = "{bundle}"\nvae = "../bright"\nseeds')
    songs.write("zwei")
    songs.edit("zwei", "seeds", 'vae = "./nowhere"\nseeds')
    monkeypatch.chdir(songs.folder)

    def told(*arguments: str) -> str:
        capsys.readouterr()
        run([*arguments, "--device", "cpu"])
        return capsys.readouterr().out

    rows = {row["name"]: row for row in json.loads(told("models", "--json"))}
    assert (rows["ta_0.5.safetensors"]["kind"], rows["ta_0.5.safetensors"]["used_by"]) == ("turbo", ["eins"])
    assert (rows["bright"]["kind"], rows["bright"]["used_by"]) == ("vae", ["eins"])
    assert Path(rows["ta_0.5.safetensors"]["on_disk"]) == merge
    found = told("doctor")
    assert "ta_0.5.safetensors (turbo)" in found
    assert "bright (vae)" in found
    assert "there is no VAE" in found
    shown = told("plan", "eins", "--threads", "1")
    assert "dit: loaded 1×, song by song 2× (ta_0.5.safetensors on checkpoints)" in shown
    assert "vae: loaded 1×, song by song 2× (bright)" in shown
    takes = json.loads(told("plan", "eins", "--json", "--threads", "1"))["takes"]
    assert takes[0]["models"] == {
        "model": "ta_0.5.safetensors",
        "based_on": "checkpoints",
        "lm": None,
        "vae": "bright",
    }
