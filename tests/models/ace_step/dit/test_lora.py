"""Adapters as PEFT writes them, at the strength that training meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from renderer.errors import ModelError
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.catalog import identity
from renderer.models.catalog.zoo import resolve
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

TARGET = "layers.0.self_attn.q_proj"
RANK = 8


def write_adapter(
    folder: Path, *, target: str = TARGET, seed: int = 0, **config: object
) -> tuple[torch.Tensor, torch.Tensor]:
    """An official-looking adapter; gives its A and B."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    down, up = torch.randn(RANK, 32, generator=generator), torch.randn(32, RANK, generator=generator)
    prefix = f"base_model.model.{target}"
    save_file({f"{prefix}.lora_A.weight": down, f"{prefix}.lora_B.weight": up}, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": 16, "bias": "none", "modules_to_save": None, **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return down, up


def load_dit(tiny: Path, *loras: tuple[str, float]) -> Any:
    part: Any = AceStepLoader().load("dit", files_with(tiny, *loras), SETTINGS, Heard())
    return part.dit(Heard()).transformer


def files_with(tiny: Path, *loras: tuple[str, float]) -> ModelFiles:
    files = resolve(str(tiny), loras=loras).files
    assert files is not None
    return files


def stored_weight(tiny: Path) -> torch.Tensor:
    return load_file(tiny / "transformer" / "diffusion_pytorch_model.safetensors")["layers.0.self_attn.to_q.weight"]


@pytest.mark.parametrize(
    ("scale", "config", "strength"),
    [(1.0, {}, 2.0), (0.5, {}, 1.0), (1.0, {"lora_alpha": 8}, 1.0), (1.0, {"use_rslora": True}, 16 / 8**0.5)],
)
def test_an_adapter_counts_with_alpha_over_rank(
    tiny_set: Path, tmp_path: Path, scale: float, config: dict[str, object], strength: float
) -> None:
    down, up = write_adapter(tmp_path / "lora", **config)

    dit = load_dit(tiny_set, (str(tmp_path / "lora"), scale))

    merged = dit.get_parameter("layers.0.self_attn.to_q.weight")
    assert torch.equal(merged, stored_weight(tiny_set) + (up @ down) * strength)
    untouched = dit.get_parameter("layers.1.self_attn.to_q.weight")
    stored = load_file(tiny_set / "transformer" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(untouched, stored["layers.1.self_attn.to_q.weight"])


def test_peft_itself_would_compute_the_same(tiny_set: Path, tmp_path: Path) -> None:
    down, up = write_adapter(tmp_path / "lora")
    merged = load_dit(tiny_set, (str(tmp_path / "lora"), 1.0)).get_submodule("layers.0.self_attn.to_q")
    x = torch.randn(5, 32, generator=torch.Generator().manual_seed(1))

    with torch.no_grad():
        apart = torch.nn.functional.linear(x, stored_weight(tiny_set)) + (x @ down.T @ up.T) * (16 / RANK)
        assert torch.allclose(merged(x), apart, atol=1e-4)


def test_two_adapters_add_up_and_are_part_of_the_dits_fingerprint(tiny_set: Path, tmp_path: Path) -> None:
    first = write_adapter(tmp_path / "one")
    second = write_adapter(tmp_path / "two", target="decoder." + TARGET, seed=1)
    loras = (str(tmp_path / "one"), 1.0), (str(tmp_path / "two"), 0.25)

    merged = load_dit(tiny_set, *loras).get_parameter("layers.0.self_attn.to_q.weight")

    expected = stored_weight(tiny_set) + (first[1] @ first[0]) * 2.0
    assert torch.equal(merged, expected + (second[1] @ second[0]) * 0.5)
    plain, adapted = (identity.identity(files) for files in (files_with(tiny_set), files_with(tiny_set, *loras)))
    weaker = identity.identity(files_with(tiny_set, loras[0], (loras[1][0], 0.2)))
    assert plain["dit"] != adapted["dit"] != weaker["dit"]
    assert plain["vae"] == adapted["vae"]
    assert plain["lm"] == adapted["lm"]


def no_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def dora(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "use_dora": True}))


def half(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(path).items() if "lora_A" in name}, path)


def wider(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file({name: torch.ones(RANK, 40) if "lora_A" in name else tensor for name, tensor in tensors.items()}, path)


def elsewhere(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({name.replace("layers.0", "layers.30"): tensor for name, tensor in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("breaking", "message", "why"),
    [
        (no_config, "is no LoRA adapter", "adapter_config.json"),
        (pickled, "can't be read", "is a pickle"),
        (dora, "can't be merged", "use_dora = True"),
        (half, "is incomplete", "lacks one of its two matrices"),
        (wider, "was made for another DiT", "is (32, 32), the adapter's (32, 40)"),
        (elsewhere, "was made for another DiT", "the DiT has no layer `layers.30.self_attn.to_q`"),
    ],
)
def test_an_adapter_that_does_not_fit_says_why(
    tiny_set: Path, tmp_path: Path, breaking: Callable[[Path], None], message: str, why: str
) -> None:
    write_adapter(tmp_path / "lora")
    breaking(tmp_path / "lora")

    with pytest.raises(ModelError) as raised:
        load_dit(tiny_set, (str(tmp_path / "lora"), 1.0))
    assert message in raised.value.message
    assert why in raised.value.why


def test_a_dit_that_failed_half_way_is_read_anew(tiny_set: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "lora"
    write_adapter(adapter)
    expected = load_dit(tiny_set, (str(adapter), 1.0)).state_dict()
    whole = (adapter / "adapter_model.safetensors").read_bytes()
    wider(adapter)
    part: Any = AceStepLoader().load("dit", files_with(tiny_set, (str(adapter), 1.0)), SETTINGS, Heard())
    with pytest.raises(ModelError):
        part.dit(Heard())
    (adapter / "adapter_model.safetensors").write_bytes(whole)

    found = part.dit(Heard()).transformer.state_dict()

    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
