"""Checkpoints broken in just one way, and what a user reads."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from renderer.errors import ModelError
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.catalog.zoo import resolve
from tests.models.ace_step.layouts import write_bundle
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONDITION_FILE = "condition_encoder/diffusion_pytorch_model.safetensors"


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def edit_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def forget_end_token(folder: Path) -> None:
    edit_json(folder / "tokenizer" / "tokenizer.json", lambda found: found.update(post_processor=None))


def forget_silence(folder: Path) -> None:
    edit_tensors(folder / CONDITION_FILE, lambda found: found["silence_latent"].zero_())


def shift_twice(folder: Path) -> None:
    edit_json(folder / "scheduler" / "scheduler_config.json", lambda found: found.update(shift=3.0))


def slow_vae(folder: Path) -> None:
    edit_json(folder / "vae" / "config.json", lambda found: found.update(sampling_rate=44_100))


def mono_vae(folder: Path) -> None:
    edit_json(folder / "vae" / "config.json", lambda found: found.update(audio_channels=1))


def counted_steps(folder: Path) -> None:
    edit_json(folder / "scheduler" / "scheduler_config.json", lambda found: found.update(num_train_timesteps=1000))


def coarse_vae(folder: Path) -> None:
    edit_json(folder / "vae" / "config.json", lambda found: found.update(downsampling_ratios=[2, 4, 4, 8, 8]))


def other_codebook(folder: Path) -> None:
    edit_json(
        folder / "audio_tokenizer" / "config.json", lambda found: found.update(fsq_input_levels=[8, 8, 8, 5, 5, 5])
    )


def torn_file(folder: Path) -> None:
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def lost_file(folder: Path) -> None:
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()


def lost_tokenizer(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    ("breaking", "part", "message", "why"),
    [
        (forget_end_token, "dit", "ends texts with", "one more is added behind every text"),
        (forget_silence, "dit", "the silence latent is all zero", "saved without it; songs would drone"),
        (
            shift_twice,
            "dit",
            "scheduler_config.json` says shift = 3.0, expected is 1.0",
            "ACE-Step 1.5 was trained with it",
        ),
        (
            slow_vae,
            "vae",
            "config.json` says sampling_rate = 44100, expected is 48000",
            "ACE-Step 1.5 was trained with it",
        ),
        (mono_vae, "vae", "config.json` says audio_channels = 1, expected is 2", "ACE-Step 1.5 was trained with it"),
        (
            counted_steps,
            "dit",
            "scheduler_config.json` says num_train_timesteps = 1000, expected is 1",
            "ACE-Step 1.5 was trained with it",
        ),
        (coarse_vae, "vae", "gives 2048 samples a latent frame, expected are 1920", "[2, 4, 4, 8, 8]"),
        (other_codebook, "lm", "LM and DiT don't belong together", "has 1000 audio codes"),
        (torn_file, "dit", "can't be read as safetensors", ""),
        (lost_file, "dit", "diffusion_pytorch_model.safetensors` is missing", "no index of shards"),
        (lost_tokenizer, "dit", "holds no tokenizer.json", ""),
    ],
)
def test_a_broken_pipeline_folder_says_what_is_wrong(
    tiny_set: Path, tmp_path: Path, breaking: Callable[[Path], None], part: str, message: str, why: str
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(tiny_set, folder)
    breaking(folder)
    files = resolve(str(folder)).files
    assert files is not None

    with pytest.raises(ModelError) as raised:
        AceStepLoader().load(part, files, SETTINGS, Heard())
    assert message in raised.value.message
    assert why in raised.value.why


def lost_shard(bundle: Path) -> None:
    (bundle / "acestep-v15-turbo" / "model-00002-of-00003.safetensors").unlink()


def no_silence(bundle: Path) -> None:
    (bundle / "acestep-v15-turbo" / "silence_latent.pt").unlink()


def pickled_silence(bundle: Path) -> None:
    torch.save({"code": print}, bundle / "acestep-v15-turbo" / "silence_latent.pt")


def flat_silence(bundle: Path) -> None:
    torch.save(torch.ones(8, 15_000), bundle / "acestep-v15-turbo" / "silence_latent.pt")


def zero_silence(bundle: Path) -> None:
    torch.save(torch.zeros(1, 8, 15_000), bundle / "acestep-v15-turbo" / "silence_latent.pt")


def no_width(bundle: Path) -> None:
    edit_json(bundle / "acestep-v15-turbo" / "config.json", lambda found: found.pop("hidden_size"))


def test_a_bundle_whose_lm_has_other_codes_says_so(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    edit_json(
        bundle / "acestep-v15-turbo" / "config.json", lambda found: found.update(fsq_input_levels=[8, 8, 8, 5, 5, 5])
    )
    files = resolve(str(bundle)).files
    assert files is not None

    with pytest.raises(ModelError) as raised:
        AceStepLoader().load("lm", files, SETTINGS, Heard())
    assert raised.value.message == "LM and DiT don't belong together"
    assert "has 1000 audio codes" in raised.value.why
    assert "acestep-v15-turbo/config.json` reads 64000" in raised.value.why


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (lost_shard, "model-00002-of-00003.safetensors` is missing"),
        (no_silence, "silence_latent.pt` is missing"),
        (pickled_silence, "silence_latent.pt` is no tensor"),
        (flat_silence, "silence_latent.pt` holds (8, 15000), expected is a tensor [1, channels, frames]"),
        (zero_silence, "the silence latent is all zero"),
        (no_width, "config.json` says no 'hidden_size'"),
    ],
)
def test_a_broken_bundle_says_what_is_wrong(
    tiny_set: Path, tmp_path: Path, breaking: Callable[[Path], None], message: str
) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", num_shards=3)
    breaking(bundle)
    files = resolve(str(bundle)).files
    assert files is not None

    with pytest.raises(ModelError) as raised:
        AceStepLoader().load("dit", files, SETTINGS, Heard())
    assert message in raised.value.message
