"""The published layout gives what the same weights give in diffusers' layout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.errors import ModelError
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.catalog.zoo import resolve
from tests.models.ace_step.layouts import (
    COMPONENTS,
    DIFFUSERS_FILE,
    WIDTHS,
    change_timbre_token,
    write_bundle,
    write_dit,
    write_wide,
)
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import CODES, REQUEST, SETTINGS, latents_job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def latents_of(folder: Path, *, dtype: str = "auto", **changes: Any) -> np.ndarray:
    files = resolve(str(folder)).files
    assert files is not None
    loaded = AceStepLoader().load("dit", files, replace(SETTINGS, dtype=dtype), Heard())
    (result,) = loaded.latents([latents_job(replace(REQUEST, **changes), CODES)], Heard())
    loaded.close()
    return result.artifact.frames


@pytest.fixture(scope="module")
def expected(tiny_set: Path) -> np.ndarray:
    return latents_of(tiny_set)


@pytest.mark.slow
@pytest.mark.parametrize("num_shards", [1, 3])
def test_a_bundle_as_downloaded_gives_the_same_latents(
    tiny_set: Path, tmp_path: Path, expected: np.ndarray, num_shards: int
) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", num_shards=num_shards)

    assert np.array_equal(latents_of(bundle), expected)
    assert np.array_equal(latents_of(bundle / "acestep-v15-turbo"), expected)


def test_a_stand_alone_dit_takes_vae_and_text_encoder_from_beside_it(
    tiny_set: Path, tmp_path: Path, expected: np.ndarray
) -> None:
    write_bundle(tiny_set, tmp_path)
    write_dit(tiny_set, tmp_path / "acestep-v15-sft")

    assert np.array_equal(latents_of(tmp_path / "acestep-v15-sft"), expected)


@pytest.mark.slow
def test_a_guided_base_checkpoint_gives_the_same_latents(tiny_set: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_set, base)
    config = base / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "is_turbo": False, "model_version": "base"}))
    published = write_bundle(base, tmp_path / "checkpoints", dit="acestep-v15-base") / "acestep-v15-base"

    found = latents_of(published, inference_steps=5, guidance_scale=7.0)

    assert np.array_equal(found, latents_of(base, inference_steps=5, guidance_scale=7.0))
    assert not np.array_equal(found, latents_of(base, inference_steps=5))


def test_bfloat16_weights_widen_to_the_cpus_float32(tiny_set: Path, tmp_path: Path, expected: np.ndarray) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", dtype=torch.bfloat16)

    found = latents_of(bundle)
    assert found.dtype == np.float32
    assert not np.array_equal(found, expected)
    assert np.abs(found - expected).max() < 0.2


@pytest.mark.slow
def test_a_text_encoder_saved_with_its_output_layer_gives_the_same_latents(
    tiny_set: Path, tmp_path: Path, expected: np.ndarray
) -> None:
    from safetensors.torch import load_file, save_file

    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    path = bundle / "Qwen3-Embedding-0.6B" / "model.safetensors"
    bare = {name.removeprefix("model."): tensor for name, tensor in load_file(path).items()}
    prefixed = {f"model.{name}": tensor for name, tensor in bare.items()}
    for tensors in (bare, {**prefixed, "lm_head.weight": torch.zeros(3, 3)}):
        save_file(tensors, path)
        assert np.array_equal(latents_of(bundle), expected)


@pytest.fixture
def wide_set(tiny_set: Path, tmp_path: Path) -> Path:
    return write_wide(tiny_set, tmp_path / "wide")


@pytest.mark.slow
def test_a_dit_wider_than_its_encoders_gives_the_same_latents(wide_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(wide_set, tmp_path / "checkpoints", dit="acestep-v15-xl-turbo", num_shards=4)
    saved = json.loads((bundle / "acestep-v15-xl-turbo" / "config.json").read_text())
    assert (saved["hidden_size"], saved["encoder_hidden_size"]) == (48, 32)

    assert np.array_equal(latents_of(bundle), latents_of(wide_set))


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["diffusers", "original"])
def test_only_xl_sets_hear_the_timbre_encoders_token(
    tiny_set: Path, wide_set: Path, tmp_path: Path, layout: str
) -> None:
    heard = {}
    for name, folder in (("2B", tiny_set), ("XL", wide_set)):
        shutil.copytree(folder, tmp_path / name)
        change_timbre_token(tmp_path / name)
        both = (folder, tmp_path / name)
        if layout == "original":
            both = tuple(write_bundle(one, tmp_path / f"{name}-{number}") for number, one in enumerate(both))
        before, after = map(latents_of, both)
        heard[name] = not np.array_equal(before, after)

    assert heard == {"2B": False, "XL": True}


@pytest.mark.slow
@torch.no_grad()
def test_the_timbre_of_xl_is_read_at_its_token_before_the_silence(wide_set: Path) -> None:
    """Each layer by itself, as a sequence of the token and 750 frames: what comes out at the token."""
    from diffusers.models.embeddings import get_1d_rotary_pos_embed

    from renderer.models.ace_step.dit.conditions import read_timbre, read_timbre_by_token, silent_reference

    files = resolve(str(wide_set)).files
    assert files is not None
    loaded = AceStepLoader().load("dit", files, SETTINGS, Heard())
    heard: Any = loaded.encoders(Heard())  # type: ignore[attr-defined]  # the family's own
    encoder = heard.condition_encoder.timbre_encoder
    states = torch.cat(
        [encoder.special_token, encoder.embed_tokens(heard.condition_encoder.silence_latent[:, :750])], 1
    )
    assert states.shape == (1, 751, 32)
    rotations = get_1d_rotary_pos_embed(
        encoder.head_dim, torch.arange(751), theta=encoder.rope_theta, use_real=True, repeat_interleave_real=False
    )
    places = torch.arange(751)
    near = (places[:, None] - places).abs() <= encoder.sliding_window
    for kind, layer in zip(encoder._layer_types, encoder.layers, strict=True):
        mask = torch.zeros(751, 751).masked_fill(~near, -1e30)[None, None] if kind == "sliding_attention" else None
        states = layer(hidden_states=states, position_embeddings=rotations, attention_mask=mask)
    expected = encoder.norm(states)[:, :1]

    assert torch.allclose(heard.timbre, expected, atol=1e-5)
    assert torch.equal(
        heard.timbre, read_timbre_by_token(heard.condition_encoder, silent_reference(heard.condition_encoder))
    )
    assert (
        heard.timbre - read_timbre(heard.condition_encoder, silent_reference(heard.condition_encoder))
    ).abs().max() > 0.01
    loaded.close()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_weights_stored_in_bfloat16_give_the_same_latents_in_either_layout(
    tiny_set: Path, tmp_path: Path, dtype: str
) -> None:
    """Computed in bfloat16 as on a GPU, or widened."""
    shutil.copytree(tiny_set, tmp_path / "diffusers")
    narrow(tmp_path / "diffusers")
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", dtype=torch.bfloat16, num_shards=2)

    found = latents_of(bundle, dtype=dtype)

    assert np.array_equal(found, latents_of(tmp_path / "diffusers", dtype=dtype))
    # bfloat16 numbers have 16 bits of nothing behind them.
    assert (not (found.view(np.uint32) & 0xFFFF).any()) == (dtype == "bfloat16")


def narrow(folder: Path) -> None:
    """Save a pipeline's DiT, condition encoder and audio tokenizer pair in bfloat16."""
    from safetensors.torch import load_file, save_file

    for component in COMPONENTS:
        path = folder / component / DIFFUSERS_FILE
        save_file({name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}, path)


@pytest.mark.slow
@pytest.mark.parametrize(("aligned", "copies"), [(True, 0), (False, 1)])
def test_weights_never_lie_in_anonymous_memory_twice(
    tiny_set: Path, tmp_path: Path, aligned: bool, copies: float
) -> None:
    dit = write_bundle(tiny_set, tmp_path / "checkpoints") / "acestep-v15-turbo"
    num_bytes = widen(dit, aligned=aligned)
    script = f"""
import threading
from renderer.models.catalog.zoo import resolve
from renderer.models.ace_step.parts import AceStepLoader
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import SETTINGS
def anonymous():
    return next(int(line.split()[1]) * 1024 for line in open('/proc/self/status') if line.startswith('RssAnon'))
def watch():
    while not loaded.wait(0.002):
        seen.append(anonymous())
files, before, seen, loaded = resolve({str(dit)!r}).files, anonymous(), [], threading.Event()
watching = threading.Thread(target=watch)
watching.start()
part = AceStepLoader().load("dit", files, SETTINGS, Heard())
loaded.set()
watching.join()
print(max(seen) - before)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert num_bytes > 90_000_000
    # What else loading takes is a third of a copy.
    assert int(ran.stdout) < (copies + 0.35) * num_bytes


def widen(dit: Path, *, aligned: bool) -> int:
    """Make the DiT's feed-forward layers so wide that a copy of the file shows; gives the file's size."""
    from safetensors.torch import load_file, save_file

    width, path, config_path = 130_000, dit / "model.safetensors", dit / "config.json"
    config, tensors = json.loads(config_path.read_text()), load_file(path)
    for name in tensors:
        if name.startswith("decoder.layers") and ".mlp." in name:
            tensors[name] = torch.zeros((32, width) if "down" in name else (width, 32))
    save_file(tensors, path, metadata={"padding": ""})
    with path.open("rb") as opened:
        header = 8 + int.from_bytes(opened.read(8), "little")
    save_file(tensors, path, metadata={"padding": " " * (-header % 64 + (0 if aligned else 8))})
    encoder = {f"encoder_{key}": config[key] for key in WIDTHS}
    config_path.write_text(json.dumps({**config, **encoder, "intermediate_size": width}))
    return path.stat().st_size


def drop(name: str) -> Callable[[dict[str, torch.Tensor]], None]:
    return lambda tensors: tensors.pop(name) is None


def add(name: str) -> Callable[[dict[str, torch.Tensor]], None]:
    return lambda tensors: tensors.update({name: torch.zeros(1)})


def reshape(name: str) -> Callable[[dict[str, torch.Tensor]], None]:
    return lambda tensors: tensors.update({name: torch.zeros(3, 3)})


def test_tensors_beside_the_four_parts_are_left_out_and_named(
    tiny_set: Path, tmp_path: Path, expected: np.ndarray
) -> None:
    """As upstream's converter does: they belong to nothing that renders. Within a part a surplus tensor is an error."""
    from safetensors.torch import load_file, save_file

    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    path = bundle / "acestep-v15-turbo" / "model.safetensors"
    strange = {"null_condition_emb_ema": torch.zeros(1), "teacher.weight": torch.ones(2, 2), "step": torch.zeros(1)}
    save_file({**load_file(path), **strange}, path)
    files = resolve(str(bundle)).files
    assert files is not None

    loaded = AceStepLoader().load("dit", files, SETTINGS, Heard())
    (result,) = loaded.latents([latents_job(REQUEST, CODES)], Heard())

    assert np.array_equal(result.artifact.frames, expected)
    named = "`null_condition_emb_ema`, `step`, `teacher.weight`"
    assert result.artifact.notes.left_out == (
        f"the checkpoint's {named} belong to no part of the model and were left out",
    )


def test_a_checkpoint_of_nothing_else_has_nothing_left_out(tiny_set: Path, tmp_path: Path) -> None:
    for folder in (tiny_set, write_bundle(tiny_set, tmp_path / "checkpoints", num_shards=2)):
        files = resolve(str(folder)).files
        assert files is not None
        (result,) = (
            AceStepLoader().load("dit", files, SETTINGS, Heard()).latents([latents_job(REQUEST, CODES)], Heard())
        )
        assert result.artifact.notes.left_out == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("decoder.layers.0.mlp.up_proj.weight"), "tensors are missing: `layers.0.mlp.up_proj.weight`"),
        (drop("null_condition_emb"), "tensors are missing: `null_condition_emb`"),
        (
            add("decoder.layers.9.mlp.up_proj.weight"),
            "tensors have no place in the model: `layers.9.mlp.up_proj.weight`",
        ),
        (
            add("encoder.extra.weight"),
            "tensors have no place in the model: `extra.weight`",
        ),
        (
            reshape("encoder.text_projector.weight"),
            "tensor `text_projector.weight` has the shape (3, 3), expected is (32, 32)",
        ),
    ],
)
def test_a_wrong_tensor_names_itself(
    tiny_set: Path, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    from safetensors.torch import load_file, save_file

    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    path = bundle / "acestep-v15-turbo" / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)

    with pytest.raises(ModelError) as raised:
        latents_of(bundle)
    assert raised.value.message == message
