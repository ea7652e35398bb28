"""A DiT in one safetensors file: the same latents as from its folder, whatever its tensors are called."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from renderer.errors import ModelError
from renderer.models.ace_step import needs
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.stages import FAMILY
from renderer.models.catalog import identity, zoo
from renderer.models.catalog.layouts import plain_name
from renderer.models.read_ahead import read_ahead
from tests.models.ace_step.checkpoints.test_original import CODES, REQUEST, latents_job
from tests.models.ace_step.layouts import write_bundle
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from renderer.models.model_files import ModelFiles
    from renderer.provenance import DitNotes

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def bundle(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tiny_set, tmp_path_factory.mktemp("models") / "checkpoints")


@pytest.fixture(scope="module")
def tensors(bundle: Path) -> Tensors:
    """What a merge holds: the base's names with values of its own."""
    found = load_file(bundle / "acestep-v15-turbo" / "model.safetensors")
    return {name: tensor * 1.05 if name.startswith("decoder.layers") else tensor for name, tensor in found.items()}


@pytest.fixture(scope="module")
def expected(bundle: Path, tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The latents of the same weights in a folder of their own."""
    folder = tmp_path_factory.mktemp("whole") / "checkpoints"
    shutil.copytree(bundle, folder)
    save_file(tensors, folder / "acestep-v15-turbo" / "model.safetensors")
    found = latents(files_of(str(folder)))
    assert not np.array_equal(found, latents(files_of(str(bundle))))
    return found


def files_of(model: str, based_on: str | None = None) -> ModelFiles:
    found = zoo.resolve(model, based_on=based_on).files
    assert found is not None
    return found


def latents(files: ModelFiles, heard: list[DitNotes] | None = None) -> np.ndarray:
    loaded = AceStepLoader().load("dit", files, SETTINGS, Heard())
    (result,) = loaded.latents([latents_job(REQUEST, CODES)], Heard())
    if heard is not None:
        heard.append(result.artifact.notes)
    frames: np.ndarray = result.artifact.frames
    return frames


def prefixed(prefix: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def compiled_inside(tensors: Tensors) -> Tensors:
    return {
        f"module.{name.replace('decoder.', 'decoder._orig_mod.', 1)}" if name.startswith("decoder.") else name: tensor
        for name, tensor in tensors.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "write",
    [
        *map(prefixed, ("", "model.", "model.diffusion_model.", "diffusion_model.", "module.", "_orig_mod.")),
        *map(prefixed, ("module._orig_mod.", "_orig_mod.model.", "model._orig_mod.diffusion_model.")),
        compiled_inside,
    ],
)
def test_names_with_a_usual_prefix_or_without_are_the_same_dit(
    bundle: Path, tensors: Tensors, expected: np.ndarray, tmp_path: Path, write: Callable[[Tensors], Tensors]
) -> None:
    save_file(write(tensors), tmp_path / "merge.safetensors")

    files = files_of(str(tmp_path / "merge.safetensors"), str(bundle))

    assert np.array_equal(latents(files), expected)


def test_what_lies_beside_the_file_completes_it(
    bundle: Path, tensors: Tensors, expected: np.ndarray, tmp_path: Path
) -> None:
    folder = shutil.copytree(bundle, tmp_path / "checkpoints") / "acestep-v15-turbo"
    save_file(tensors, folder / "ta_0.5.safetensors")

    files = files_of(str(folder / "ta_0.5.safetensors"))

    assert np.array_equal(latents(files), expected)
    assert zoo.model_facts(str(folder / "ta_0.5.safetensors")).kind == "turbo"


def test_what_it_is_based_on_gives_its_kind_and_what_the_file_lacks(
    bundle: Path, tensors: Tensors, tmp_path: Path
) -> None:
    base = shutil.copytree(bundle, tmp_path / "checkpoints") / "acestep-v15-turbo"
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "is_turbo": False, "model_version": "sft"}))
    save_file(tensors, tmp_path / "merge.safetensors")
    model = str(tmp_path / "merge.safetensors")

    facts, files = zoo.model_facts(model, str(base)), files_of(model, str(base))

    assert (facts.name, facts.kind, facts.guided, facts.shifts) == (model, "sft", True, None)
    assert (files.name, files.kind, files.dit, files.dit_file) == (model, "sft", str(base), model)
    assert (files.vae, files.lm) == (str(tmp_path / "checkpoints" / "vae"), None)
    assert zoo.model_facts(model, "sft").lm == "1.7B"


def test_tensors_of_other_models_in_the_file_are_left_out_and_told(
    bundle: Path, tensors: Tensors, expected: np.ndarray, tmp_path: Path
) -> None:
    whole = {
        **prefixed("model.diffusion_model.")(tensors),
        "vae.decoder.layers.0.weight": torch.zeros(2),
        "model_ema.decoder.layers.0.weight": torch.zeros(2),
    }
    save_file(whole, tmp_path / "all.safetensors")
    notes: list[DitNotes] = []

    assert np.array_equal(latents(files_of(str(tmp_path / "all.safetensors"), str(bundle)), notes), expected)
    (told,) = notes[0].left_out or ()
    assert "`model_ema.decoder.layers.0.weight`, `vae.decoder.layers.0.weight`" in told


def test_its_memory_is_counted_from_its_own_header(bundle: Path, tensors: Tensors, tmp_path: Path) -> None:
    save_file(prefixed("model.")(tensors), tmp_path / "merge.safetensors")

    of_file = needs.parameters(files_of(str(tmp_path / "merge.safetensors"), str(bundle)), "dit")

    assert of_file == needs.parameters(files_of(str(bundle)), "dit")


def test_its_weights_and_not_its_bases_are_read_ahead(bundle: Path, tensors: Tensors, tmp_path: Path) -> None:
    merge = tmp_path / "merge.safetensors"
    save_file(tensors, merge)
    text_encoder = bundle / "Qwen3-Embedding-0.6B" / "model.safetensors"

    asked = read_ahead("dit", files_of(str(merge), str(bundle)))

    assert asked == merge.stat().st_size + text_encoder.stat().st_size


def test_its_fingerprint_follows_its_bytes_and_not_its_name(
    bundle: Path, tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_file(tensors, tmp_path / "merge.safetensors")
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "merge.safetensors", tmp_path / "elsewhere" / "renamed.safetensors")
    save_file(
        {**tensors, "decoder.proj_out.1.bias": tensors["decoder.proj_out.1.bias"] + 1}, tmp_path / "b.safetensors"
    )

    def digests(name: str) -> Mapping[str, str]:
        return identity.identity(files_of(str(tmp_path / name), str(bundle)))

    base, merge = identity.identity(files_of(str(bundle))), digests("merge.safetensors")
    assert digests("elsewhere/renamed.safetensors") == merge
    assert {part for part in FAMILY.parts if base[part] != merge[part]} == {"dit"}
    assert {part for part in FAMILY.parts if digests("b.safetensors")[part] != merge[part]} == {"dit"}


def lonely(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name.startswith("decoder.")}


def doubled(tensors: Tensors) -> Tensors:
    return {**tensors, **prefixed("model.")({name: tensor.clone() for name, tensor in tensors.items()})}


def an_adapter(tensors: Tensors) -> Tensors:
    del tensors
    return {"base_model.model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(2)}


def diffusers_own(tensors: Tensors) -> Tensors:
    del tensors
    return {"layers.0.self_attn.to_q.weight": torch.zeros(2)}


def a_vae(tensors: Tensors) -> Tensors:
    del tensors
    return {"decoder.block.0.conv_t1.bias": torch.zeros(2), "encoder.block.0.conv1.bias": torch.zeros(2)}


def an_lm(tensors: Tensors) -> Tensors:
    del tensors
    return {"model.embed_tokens.weight": torch.zeros(2)}


def something(tensors: Tensors) -> Tensors:
    del tensors
    return {"first": torch.zeros(2), "second": torch.zeros(2)}


def empty(tensors: Tensors) -> Tensors:
    del tensors
    return {}


@pytest.mark.parametrize(
    ("write", "message", "way_out"),
    [
        (lonely, "holds only parts of a DiT", "no tensors begin with `encoder.`, `tokenizer.`, `detokenizer.`"),
        (doubled, "holds the DiT twice", "save one of them alone"),
        (an_adapter, "is no DiT", "lora = [{ path ="),
        (diffusers_own, "is no DiT", "in ACE-Step's own layout"),
        (a_vae, "is no DiT", "name its folder as `vae`"),
        (an_lm, "is no DiT", "a language model or text encoder"),
        (something, "is no DiT", "its tensors are called `first`, `second`, …"),
        (empty, "is no DiT", "it holds no tensors"),
    ],
)
def test_a_file_that_is_no_dit_says_what_it_is(
    bundle: Path, tensors: Tensors, tmp_path: Path, write: Callable[[Tensors], Tensors], message: str, way_out: str
) -> None:
    save_file(write(tensors), tmp_path / "file.safetensors")

    with pytest.raises(ModelError) as raised:
        zoo.resolve(str(tmp_path / "file.safetensors"), based_on=str(bundle))
    assert message in raised.value.message
    assert way_out in f"{raised.value.why} {raised.value.help}"


def test_what_can_not_complete_a_file_is_refused(
    bundle: Path, tiny_set: Path, tensors: Tensors, tmp_path: Path
) -> None:
    model = str(tmp_path / "merge.safetensors")
    for based_on, message in (
        (None, "there is no file"),
        (str(bundle), "there is no file"),
    ):
        with pytest.raises(ModelError, match=message):
            zoo.resolve(model, based_on=based_on)
    save_file(tensors, model)
    for based_on, message in (
        (None, "nothing tells the sizes of `merge.safetensors`"),
        (str(tiny_set), "can't be based on a set in diffusers' layout"),
        ("xl-sft-diffusers", "can't be based on a set in diffusers' layout"),
        ("mini", "can't be based on a set in diffusers' layout"),
        (str(tmp_path), "holds weights without a config.json"),
        (str(tmp_path / "nowhere"), "there is no model"),
    ):
        with pytest.raises(ModelError, match=message):
            zoo.resolve(model, based_on=based_on)
    (tmp_path / "merge.safetensors").write_text("<!DOCTYPE html>")
    with pytest.raises(ModelError, match="can't be read as safetensors"):
        zoo.resolve(model, based_on=str(bundle))


def test_only_what_stands_around_the_whole_is_taken_off_a_name() -> None:
    assert (
        plain_name("model.diffusion_model.decoder.layers.0.mlp.up_proj.weight") == "decoder.layers.0.mlp.up_proj.weight"
    )
    assert plain_name("vae.decoder.layers.0.weight") == "vae.decoder.layers.0.weight"
    assert plain_name("model") == "model"
