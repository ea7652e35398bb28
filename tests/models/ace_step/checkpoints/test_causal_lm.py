"""The LM as it is saved, in whatever way, and nothing that its files don't hold."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from renderer.errors import ModelError
from renderer.models.ace_step.checkpoints.causal_lm import load_causal_lm
from renderer.models.kernels.attention import NAME
from tests.models.ace_step.layouts import save_tensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tiny_set: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_set / "lm", tmp_path / "lm")
    return tmp_path / "lm"


def load(folder: Path) -> Any:
    return load_causal_lm(folder, dtype=torch.float32, device=torch.device("cpu"), attention=NAME)


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


@torch.no_grad()
def logits(folder: Path) -> torch.Tensor:
    ids = torch.arange(1, 40)[None]
    found: torch.Tensor = load(folder)(input_ids=ids, attention_mask={"full_attention": None}).logits
    return found


@torch.no_grad()
def test_it_computes_what_transformers_own_loading_gives(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=NAME)
    ours = load(folder).state_dict()

    assert ours.keys() == theirs.state_dict().keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {name.removeprefix("model."): tensor for name, tensor in tensors.items()},
        lambda tensors: {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()},
    ],
    ids=["flat names", "the output layer saved beside the embeddings it is tied to"],
)
def test_however_it_was_saved_it_is_the_same_lm(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
) -> None:
    before = logits(folder)
    rewrite(folder, change)

    assert torch.allclose(logits(folder), before, atol=1e-6)


def test_in_shards_it_is_the_same_lm(folder: Path) -> None:
    """As the 4B is published."""
    before = load(folder).state_dict()
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_tensors(tensors, folder, 3)

    found = load(folder).state_dict()

    assert found.keys() == before.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in before.items())


def test_an_output_layer_of_its_own_is_used(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    rewrite(folder, lambda tensors: {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"] * 2})

    model = load(folder)

    assert torch.equal(model.lm_head.weight, model.model.embed_tokens.weight * 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: {name: tensor for name, tensor in tensors.items() if "layers.1.mlp.up" not in name},
            "tensors are missing: `layers.1.mlp.up_proj.weight`",
        ),
        (
            lambda tensors: {**tensors, "model.layers.9.mlp.up_proj.weight": torch.zeros(1)},
            "tensors have no place in the model: `layers.9.mlp.up_proj.weight`",
        ),
        (
            lambda tensors: {**tensors, "model.norm.weight": torch.zeros(5)},
            "tensor `norm.weight` has the shape (5,), expected is (32,)",
        ),
    ],
)
def test_weights_that_would_be_made_up_are_an_error(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], message: str
) -> None:
    rewrite(folder, change)

    with pytest.raises(ModelError) as raised:
        load(folder)
    assert raised.value.message == message


def test_a_sliding_window_is_no_5_hz_lms(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    layers = ["sliding_attention", "full_attention"]
    (folder / "config.json").write_text(json.dumps({**config, "layer_types": layers, "sliding_window": 16}))

    with pytest.raises(ModelError, match="is no 5 Hz LM"):
        load(folder)
