"""Adapters from many tools: merged where they are plain LoRA, else called by their name; told from headers alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from renderer.models.ace_step.checkpoints.look import look
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.catalog.zoo import resolve
from tests.models.ace_step.dit.test_lora import RANK, TARGET, files_with, stored_weight
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

A, B = torch.full((RANK, 32), 0.25), torch.full((32, RANK), 0.5)


def write(folder: Path, tensors: dict[str, torch.Tensor], **config: object) -> Path:
    folder.mkdir(exist_ok=True)
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    save_file(kept, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": 16, "bias": "none", "modules_to_save": None, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def pair(target: str, names: tuple[str, str] = ("lora_A.weight", "lora_B.weight")) -> dict[str, torch.Tensor]:
    return {f"{target}.{names[0]}": A, f"{target}.{names[1]}": B}


def told(files: ModelFiles) -> list[str]:
    return [f"{error.message}\n{error.why}\n{error.help}" for error in look("dit", files)]


def merged(files: ModelFiles) -> torch.Tensor:
    part: Any = AceStepLoader().load("dit", files, SETTINGS, Heard())
    weight: torch.Tensor = part.dit(Heard()).transformer.get_parameter("layers.0.self_attn.to_q.weight")
    return weight


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "base_model.model.",
        "base_model.model.decoder.",
        "base_model.model.decoder._orig_mod.",
        "_orig_mod.base_model.model.",
        "base_model.model._orig_mod.decoder.",
        "diffusion_model.",
        "diffusion_model.decoder.",
        "model.diffusion_model.",
        "transformer.",
        "module.decoder.",
        "_forward_module.module.base_model.model.",
    ],
)
def test_whatever_a_tool_puts_before_the_names_the_same_is_merged(tiny_set: Path, tmp_path: Path, prefix: str) -> None:
    files = files_with(tiny_set, (str(write(tmp_path / "lora", pair(prefix + TARGET))), 1.0))

    assert told(files) == []
    assert torch.equal(merged(files), stored_weight(tiny_set) + (B @ A) * 2.0)


@pytest.mark.parametrize(
    "names",
    [
        ("lora_A.default.weight", "lora_B.default.weight"),
        ("lora_A.weight", "lora_B.weight"),
        ("lora_down.weight", "lora_up.weight"),
        ("lora_A.my_voice.weight", "lora_B.my_voice.weight"),
    ],
)
def test_the_two_matrices_go_by_several_names(tiny_set: Path, tmp_path: Path, names: tuple[str, str]) -> None:
    files = files_with(tiny_set, (str(write(tmp_path / "lora", pair(f"base_model.model.{TARGET}", names))), 0.5))

    assert told(files) == []
    assert torch.equal(merged(files), stored_weight(tiny_set) + B @ A)


def test_compiled_layers_and_diffusers_names_are_found_too(tiny_set: Path, tmp_path: Path) -> None:
    for number, target in enumerate(("layers.0._orig_mod.self_attn.q_proj", "layers.0.self_attn.to_q")):
        files = files_with(tiny_set, (str(write(tmp_path / f"lora{number}", pair(target))), 1.0))
        assert told(files) == []
        assert torch.equal(merged(files), stored_weight(tiny_set) + (B @ A) * 2.0)


def test_ranks_that_differ_by_layer_are_those_of_their_pattern(tiny_set: Path, tmp_path: Path) -> None:
    small = {f"{TARGET}.lora_A.weight": A[:2].clone(), f"{TARGET}.lora_B.weight": B[:, :2].clone()}
    other = pair("layers.1.self_attn.q_proj")
    folder = write(tmp_path / "lora", {**small, **other}, rank_pattern={"layers.0.self_attn.q_proj": 2})
    files = files_with(tiny_set, (str(folder), 1.0))

    assert told(files) == []
    assert torch.equal(merged(files), stored_weight(tiny_set) + (B[:, :2] @ A[:2]) * 8.0)


PLAIN = pair(f"base_model.model.{TARGET}")
BARE = f"base_model.model.{TARGET}"
CASES: dict[str, tuple[dict[str, torch.Tensor], dict[str, object], str]] = {
    "no tensors": ({}, {}, "holds no LoRA matrices"),
    "LoKr by its tensors": ({f"{BARE}.lokr_w1": A, f"{BARE}.lokr_w2": B}, {}, "LoKr"),
    "LoHa by its tensors": ({f"{BARE}.hada_w1_a": A, f"{BARE}.hada_w1_b": B}, {}, "LoHa"),
    "DoRA by its tensors": ({**PLAIN, f"{BARE}.lora_magnitude_vector.default.weight": A[0].clone()}, {}, "DoRA"),
    "DoRA of ComfyUI": ({**PLAIN, f"{BARE}.dora_scale": A[0].clone()}, {}, "DoRA"),
    "OFT": ({f"{BARE}.oft_R.weight": A}, {}, "OFT"),
    "IA3": ({f"{BARE}.ia3_l": A}, {}, "IA³"),
    "differences": ({f"{BARE}.diff": A}, {}, "the weights' own differences"),
    "kohya's names": ({"lora_unet_layers_0_self_attn_q_proj.lora_down.weight": A}, {}, "kohya"),
    "an alpha of each layer": ({**PLAIN, f"{BARE}.alpha": torch.tensor(8.0)}, {}, "an alpha beside each layer"),
    "LoKr by its config": (PLAIN, {"peft_type": "LOKR"}, "peft_type = LOKR"),
    "LoHa by its config": (PLAIN, {"peft_type": "LOHA"}, "peft_type = LOHA"),
    "AdaLoRA by its config": (PLAIN, {"peft_type": "ADALORA"}, "peft_type = ADALORA"),
    "DoRA by its config": (PLAIN, {"use_dora": True}, "it is DoRA"),
    "PiSSA": (PLAIN, {"init_lora_weights": "pissa"}, "PiSSA"),
    "PiSSA in few iterations": (PLAIN, {"init_lora_weights": "pissa_niter_16"}, "PiSSA"),
    "OLoRA": (PLAIN, {"init_lora_weights": "olora"}, "OLoRA"),
    "LoftQ": (PLAIN, {"init_lora_weights": "loftq"}, "LoftQ"),
    "transposed layers": (PLAIN, {"fan_in_fan_out": True}, "fan_in_fan_out = True"),
    "biases": (PLAIN, {"bias": "lora_only"}, "bias = lora_only"),
    "other alphas": (PLAIN, {"alpha_pattern": {"q_proj": 3}}, "alpha_pattern"),
    "parameters of no layer": (PLAIN, {"target_parameters": ["scale_shift_table"]}, "target_parameters"),
    "alpha 0": (PLAIN, {"lora_alpha": 0}, "would sound as without it"),
    "alpha as text": (PLAIN, {"lora_alpha": "16"}, "lora_alpha = 16"),
    "no alpha": (PLAIN, {"lora_alpha": None}, "lora_alpha = None"),
    "r as text": (PLAIN, {"r": "8"}, "r = 8; a rank is a whole number"),
    "r of a layer as a list": (PLAIN, {"rank_pattern": {"q_proj": [8]}}, "r = [8]; a rank is a whole number"),
    "ranks of layers as a list": (PLAIN, {"rank_pattern": [8]}, "r = [8]; a rank is a whole number"),
    "r of another training": (PLAIN, {"r": 4}, "says r = 4, the matrices of `layers.0.self_attn.to_q` have the rank 8"),
    "whole numbers": ({name: tensor.to(torch.int8) for name, tensor in PLAIN.items()}, {}, "is I8"),
    "fp8": ({name: tensor.to(torch.float8_e4m3fn) for name, tensor in PLAIN.items()}, {}, "is F8_E4M3"),
    "one matrix": ({f"{BARE}.lora_A.weight": A}, {}, "lacks one of its two matrices"),
    "ranks that don't meet": (
        {f"{BARE}.lora_A.weight": A[:4].clone(), f"{BARE}.lora_B.weight": B},
        {},
        "no [r, in] and [out, r]",
    ),
    "matrices of nothing": (
        {f"{BARE}.lora_A.weight": A[:0].clone(), f"{BARE}.lora_B.weight": B[:, :0].clone()},
        {},
        "no [r, in] and [out, r]",
    ),
    "a convolution": ({f"{BARE}.lora_A.weight": A[..., None].clone(), f"{BARE}.lora_B.weight": B}, {}, "no [r, in]"),
    "another width": ({f"{BARE}.lora_A.weight": torch.ones(RANK, 48), f"{BARE}.lora_B.weight": B}, {}, "(32, 48)"),
    "a layer too many": (pair("decoder.layers.7.mlp.up_proj"), {}, "no layer `layers.7.mlp.up_proj`"),
    "a norm": (pair("decoder.layers.0.mlp_norm"), {}, "no layer `layers.0.mlp_norm`"),
    "the same layer twice": ({**PLAIN, **pair(f"diffusion_model.{TARGET}")}, {}, "are both for"),
    "another model's": (pair("double_blocks.0.img_attn.qkv"), {}, "no layer `double_blocks.0.img_attn.qkv`"),
    "something else": ({**PLAIN, "global_step": torch.ones(1)}, {}, "tensor `global_step` is no LoRA matrix"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_plain_adapter_of_this_dit_is_refused_by_its_name(tiny_set: Path, tmp_path: Path, case: str) -> None:
    tensors, config, words = CASES[case]
    folder = write(tmp_path / "voice", tensors, **config)

    (found,) = told(files_with(tiny_set, (str(folder), 1.0)))
    assert words in found
    assert str(folder) in found


def no_folder(folder: Path) -> Path:
    return folder / "elsewhere"


def a_file(folder: Path) -> Path:
    return write(folder / "voice", PLAIN) / "adapter_model.safetensors"


def lokr(folder: Path) -> Path:
    (folder / "voice").mkdir()
    save_file({"lycoris_layers_0.lokr_w1": A}, folder / "voice" / "lokr_weights.safetensors")
    return folder / "voice"


def no_config(folder: Path) -> Path:
    (write(folder / "voice", PLAIN) / "adapter_config.json").unlink()
    return folder / "voice"


def cut(folder: Path) -> Path:
    path = write(folder / "voice", PLAIN) / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    return folder / "voice"


def pickled(folder: Path) -> Path:
    path = write(folder / "voice", PLAIN) / "adapter_model.safetensors"
    path.rename(path.with_suffix(".bin"))
    return folder / "voice"


def listed(folder: Path) -> Path:
    (write(folder / "voice", PLAIN) / "adapter_config.json").write_text("[]")
    return folder / "voice"


@pytest.mark.parametrize(
    ("making", "words"),
    [
        (no_folder, "there is no adapter"),
        (a_file, "is a file where a folder belongs"),
        (lokr, "is a LoKr"),
        (no_config, "there is no adapter_config.json"),
        (cut, "its end is missing, 1 byte:"),
        (pickled, "is a pickle, which could run code"),
        (listed, "holds no JSON object"),
    ],
)
def test_a_place_without_an_adapter_says_what_is_there(
    tiny_set: Path, tmp_path: Path, making: Callable[[Path], Path], words: str
) -> None:
    place = making(tmp_path)

    (found,) = told(files_with(tiny_set, (str(place), 1.0)))
    assert words in found
    assert str(place) in found


def test_an_adapter_fits_a_bundle_like_a_pipeline(tiny_set: Path, tmp_path: Path) -> None:
    from tests.models.ace_step.layouts import write_bundle

    folder = write(tmp_path / "voice", pair(f"base_model.model.decoder.{TARGET}"))
    bundle = write_bundle(tiny_set, tmp_path / "bundle")
    files = resolve(str(bundle), loras=((str(folder), 1.0),)).files
    assert files is not None

    assert told(files) == []
    assert torch.equal(merged(files), stored_weight(tiny_set) + (B @ A) * 2.0)
