"""A VAE's encoder that lies apart from its decoder: read, checked, known by its own files, and `mini`'s at work."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import torch

from renderer.facts import SAMPLES_PER_LATENT
from renderer.models.ace_step.checkpoints import on_disk
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.checkpoints.look import look
from renderer.models.ace_step.checkpoints.reads import files_in, files_of
from renderer.models.ace_step.checkpoints.shapes import shapes
from renderer.models.ace_step.needs import parameters
from renderer.models.ace_step.planned import plan_model
from renderer.models.ace_step.protocol.names import ENCODER, VAE
from renderer.models.ace_step.vae.encoder import load_encoder
from renderer.models.catalog.zoo import MINI_FOLDER, resolve
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.settings import Inference
from renderer.song import Variant
from tests.mini_factory.encoder import encode, make_encoder, save_encoder
from tests.mini_factory.sizes import TINY

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.model_files import ModelFiles, PlannedModel


class Nobody:
    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """Nothing."""

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """Nothing."""

    def cancelled(self, job_id: str) -> bool:  # noqa: ARG002 - the seam's
        return False


@pytest.fixture
def folder(tiny_set: Path, tmp_path: Path) -> Path:
    """A set whose VAE has an encoder apart."""
    made = tmp_path / "set"
    shutil.copytree(tiny_set, made)
    torch.manual_seed(0)
    save_encoder(make_encoder(TINY), made, TINY)
    return made


def model_files(folder: Path) -> ModelFiles:
    files = resolve(str(folder)).files
    assert files is not None
    return files


def test_it_is_expected_to_hold_what_its_module_holds(folder: Path) -> None:
    files = model_files(folder)

    expected = shapes("vae_encoder", on_disk.read_component(files, "vae_encoder").config)
    real = find_component(files, "vae_encoder").module.state_dict()

    assert expected == {name: tuple(tensor.shape) for name, tensor in real.items()}
    assert not look(ENCODER, files)
    assert parameters(files, ENCODER)["vae"] == sum(tensor.numel() for tensor in real.values())


def test_it_encodes_and_not_the_vae_s_own(folder: Path) -> None:
    torch.manual_seed(0)
    taught = make_encoder(TINY).half().float()
    sound = 0.1 * torch.randn(1, 2, 20 * SAMPLES_PER_LATENT)

    loaded = load_encoder(model_files(folder), pick_settings(Options(device="cpu", threads=1)), Nobody())
    with torch.no_grad():
        heard, expected = loaded.encoder(sound).chunk(2, dim=1)[0].transpose(1, 2), encode(taught, sound)

    assert torch.allclose(heard, expected, atol=1e-5)


def test_each_half_is_known_by_its_own_files(folder: Path, tiny_set: Path) -> None:
    """So that an encoder that comes later makes no song anew."""
    files, former = model_files(folder), model_files(tiny_set)

    names = {file.name for file in files_of(ENCODER, files)}
    assert names == {"encoder/config.json", "encoder/diffusion_pytorch_model.safetensors"}
    assert [file.name for file in files_of(VAE, files)] == [file.name for file in files_of(VAE, former)]
    assert {file.path for part in (VAE, ENCODER) for file in files_of(part, files)} <= {
        file.path for file in files_in(folder)
    }


def test_one_of_other_latents_is_refused_before_anything_runs(folder: Path) -> None:
    path = folder / "vae" / "encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "decoder_input_channels": 16}), "utf-8")

    messages = [error.message for error in look(ENCODER, model_files(folder))]

    assert any("don't belong together" in message and str(path) in message for message in messages)


def test_mini_hears_silence_as_its_dit_was_taught_it() -> None:
    files = resolve(str(MINI_FOLDER)).files
    assert files is not None
    loaded = load_encoder(files, pick_settings(Options(device="cpu", threads=1)), Nobody())
    with torch.no_grad():
        heard = loaded.encoder(torch.zeros(1, 2, 60 * SAMPLES_PER_LATENT)).chunk(2, dim=1)[0][0].T
    silence = (
        find_component(files, "condition_encoder")
        .load(dtype="float32", device=torch.device("cpu"), listener=Nobody())
        .silence_latent[0, :60]
    )

    assert (heard[:40] - silence[:40]).abs().max() < 0.05


def planned(folder: Path, vae: Path | None) -> PlannedModel:
    variant = Variant(name="", model=str(folder), lm=None, vae=str(vae) if vae else None, inference=Inference())
    return plan_model(variant, pick_settings(Options(device="cpu", threads=1)))


def test_a_songs_own_vae_is_known_by_both_its_halves(folder: Path, tmp_path: Path) -> None:
    """Though its decoder is the set's: another encoder hears sources otherwise."""
    own, other = planned(folder, None), tmp_path / "other"
    shutil.copytree(folder / "vae", other)
    assert planned(folder, other) == own

    torch.manual_seed(1)
    save_encoder(make_encoder(TINY), tmp_path / "elsewhere", TINY)
    shutil.copytree(tmp_path / "elsewhere" / "vae" / "encoder", other / "encoder", dirs_exist_ok=True)
    found = planned(folder, other)

    assert {part for part in own.weights if found.weights[part] != own.weights[part]} == {ENCODER}
    assert found.files.vae == str(other)
    assert set(found.weight_files[ENCODER]) == set(own.weight_files[ENCODER])
    assert found.weight_files[VAE] == own.weight_files[VAE]
