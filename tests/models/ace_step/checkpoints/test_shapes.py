"""The tables of tensors that a plan looks for are what the real classes hold."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from renderer.models.ace_step.checkpoints import on_disk
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.checkpoints.look import look
from renderer.models.ace_step.checkpoints.shapes import shapes
from renderer.models.ace_step.stages import FAMILY
from renderer.models.catalog import layouts
from renderer.models.catalog.zoo import resolve
from tests.models.ace_step.layouts import write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

BASE_DIT = {"is_turbo": False, "model_version": "base"}
WIDE_DIT = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "num_hidden_layers": 3,
    "encoder_hidden_size": 32,
}
"""As the XL sets are: a DiT wider than its encoders."""
ODD = {
    "dit": {"attention_bias": True, "patch_size": 4, "head_dim": 16, "num_key_value_heads": 1},
    "condition_encoder": {"attention_bias": True, "num_timbre_encoder_hidden_layers": 3, "text_hidden_dim": 32},
    "audio_tokenizer": {"fsq_input_levels": [4, 4, 4, 4, 4], "num_attention_pooler_hidden_layers": 3},
    "audio_token_detokenizer": {"pool_window_size": 7, "intermediate_size": 48},
    "vae": {
        "downsampling_ratios": [2, 3, 4, 8, 10],
        "channel_multiples": [1, 2, 3, 5, 7],
        "encoder_hidden_size": 6,
        "decoder_channels": 10,
    },
}
"""Sizes that no published set has, so that no two are taken for each other by accident."""


def rebuild(folder: Path, component: str, changes: dict[str, Any]) -> None:
    """The component saved again by its own class at other sizes."""
    from renderer.models.ace_step.checkpoints.components import CLASSES

    place = folder / layouts.DIFFUSERS_FOLDERS.get(component, component)
    cls = CLASSES[component]
    module = cls.from_config({**cls.load_config(place), **changes})
    shutil.rmtree(place)
    module.save_pretrained(place)


def resized_lm(folder: Path, **sizes: Any) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config.from_pretrained(folder)
    for name, value in sizes.items():
        setattr(config, name, value)
    config.layer_types = ["full_attention"] * config.num_hidden_layers
    Qwen3ForCausalLM(config).save_pretrained(folder)


def as_made(_: Path) -> None:
    pass


def base(folder: Path) -> None:
    rebuild(folder, "dit", BASE_DIT)


def xl(folder: Path) -> None:
    rebuild(folder, "dit", WIDE_DIT)


def larger_lm(folder: Path) -> None:
    resized_lm(folder / "lm", hidden_size=64, num_hidden_layers=4, num_key_value_heads=1, head_dim=16)


def untied_lm(folder: Path) -> None:
    resized_lm(folder / "lm", tie_word_embeddings=False, attention_bias=True)


def odd(component: str) -> Callable[[Path], None]:
    return lambda folder: rebuild(folder, component, ODD[component])


def unpaired(folder: Path) -> None:
    shutil.rmtree(folder / "audio_tokenizer")
    shutil.rmtree(folder / "audio_token_detokenizer")


def of_other_sizes(folder: Path) -> None:
    for name in ("audio_tokenizer", "audio_token_detokenizer"):
        rebuild(folder, name, {"num_attention_pooler_hidden_layers": 2})
    rebuild(folder, "condition_encoder", {"num_lyric_encoder_hidden_layers": 3})


SETS = {
    "turbo": as_made,
    "base": base,
    "XL": xl,
    "a larger LM": larger_lm,
    "an LM with an output layer of its own": untied_lm,
    "without the audio tokenizer pair": unpaired,
    "deeper encoders": of_other_sizes,
    **{f"an odd {component}": odd(component) for component in ODD},
}


def files_of(folder: Path) -> ModelFiles:
    files = resolve(str(folder)).files
    assert files is not None
    return files


def real_shapes(files: ModelFiles, name: str) -> dict[str, tuple[int, ...]]:
    module = find_component(files, name).module
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def real_lm_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    from transformers import Qwen3ForCausalLM

    model = Qwen3ForCausalLM.from_pretrained(folder)
    return {key.removeprefix("model."): tuple(tensor.shape) for key, tensor in model.state_dict().items()}


def derived(files: ModelFiles, name: str) -> dict[str, tuple[int, ...]]:
    return shapes(name, on_disk.read_component(files, name).config)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SETS)
def test_each_set_is_expected_to_hold_what_its_real_modules_hold(tiny_set: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set"
    shutil.copytree(tiny_set, folder)
    SETS[kind](folder)
    files = files_of(folder)

    for name in (*on_disk.dit_components(files), *(() if kind == "an odd vae" else ("vae",))):
        assert derived(files, name) == real_shapes(files, name), name
    lm = derived(files, "lm")
    assert {**lm, "lm_head.weight": lm["embed_tokens.weight"]} == real_lm_shapes(folder / "lm")
    if not kind.startswith("an odd"):
        assert not [error.message for part in FAMILY.parts for error in look(part, files)]


def test_a_vae_of_other_sizes_is_expected_to_hold_what_the_real_one_holds(tiny_set: Path, tmp_path: Path) -> None:
    """Its own check would refuse one that gives another rate: built by its class alone."""
    from diffusers import AutoencoderOobleck

    folder = tmp_path / "set"
    shutil.copytree(tiny_set, folder)
    rebuild(folder, "vae", ODD["vae"])
    real = AutoencoderOobleck.from_pretrained(folder / "vae").state_dict()

    assert derived(files_of(folder), "vae") == {name: tuple(tensor.shape) for name, tensor in real.items()}


@pytest.mark.slow
@pytest.mark.parametrize("num_shards", [1, 3])
@pytest.mark.parametrize("kind", ["turbo", "base", "XL", "deeper encoders"])
def test_in_the_original_layout_the_same_is_expected(
    tiny_set: Path, tmp_path: Path, kind: str, num_shards: int
) -> None:
    folder = tmp_path / "set"
    shutil.copytree(tiny_set, folder)
    SETS[kind](folder)
    bundle = files_of(write_bundle(folder, tmp_path / "bundle", num_shards=num_shards))

    for name in (*on_disk.dit_components(bundle), "vae"):
        assert derived(bundle, name) == real_shapes(files_of(folder), name), name
        assert derived(bundle, name) == real_shapes(bundle, name), name
    assert not [error.message for part in FAMILY.parts for error in look(part, bundle)]


def test_a_config_that_says_little_has_the_defaults_of_its_class(tiny_set: Path, tmp_path: Path) -> None:
    """Whole sets at the defaults would take gigabytes: on the meta device they take none."""
    import torch

    from renderer.models.ace_step.checkpoints.components import CLASSES
    from renderer.models.ace_step.checkpoints.configs import check_config

    for name in ("dit", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "vae"):
        with torch.device("meta"):
            state = CLASSES[name].from_config({}).state_dict()
        assert shapes(name, check_config(name, {}, tmp_path)) == {
            key: tuple(one.shape) for key, one in state.items()
        }, name
    config = json.loads((tiny_set / "lm" / "config.json").read_text())
    little = {"model_type": "qwen3", "rope_theta": 1_000_000.0}
    assert check_config("lm", little, tmp_path).keys() <= {*config, "tie_word_embeddings", "rope_theta"}
