"""Folders of weights told apart, each wrong one with its way out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ModelError
from renderer.models import layouts, zoo
from tests.models.ace_step.layouts import write_bundle, write_dit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def config(folder: Path, **values: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(values))


def another_pipeline(folder: Path) -> None:
    (folder / "model_index.json").write_text('{"_class_name": "StableAudioPipeline"}')


def another_model(folder: Path) -> None:
    config(folder, model_type="llama")


def an_lm(folder: Path) -> None:
    config(folder, model_type="qwen3", vocab_size=217_204)


def the_text_encoder(folder: Path) -> None:
    config(folder, model_type="qwen3", vocab_size=151_669)


def the_vae(folder: Path) -> None:
    config(folder, _class_name="AutoencoderOobleck")


def a_lonely_dit(folder: Path) -> None:
    config(folder, model_type="acestep")


def several_dits(folder: Path) -> None:
    for name in ("acestep-v15-base", "acestep-v15-sft"):
        config(folder / name, model_type="acestep")


def weights_alone(folder: Path) -> None:
    (folder / "model.safetensors").touch()


def pickles(folder: Path) -> None:
    (folder / "pytorch_model.bin").touch()


def nothing(_: Path) -> None:
    pass


def torn_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("make", "message", "way_out"),
    [
        (another_pipeline, "holds another model", "AceStepPipeline"),
        (another_model, "holds another model", "model_type `llama`"),
        (an_lm, "is a 5 Hz LM, not a model set", "lm = "),
        (the_text_encoder, "is the text encoder, not a model set", "name the folder that holds it and the DiT"),
        (the_vae, "is a VAE alone", "name the folder that holds it and the DiT"),
        (a_lonely_dit, "has no `vae` in it or beside it", "put (or link) the bundle's `vae` beside it"),
        (several_dits, "holds 2 DiTs: acestep-v15-base, acestep-v15-sft", "name one of them"),
        (weights_alone, "holds weights without a config.json", "fetch the repository whole"),
        (pickles, "holds weights in a format that isn't read", "pickles can run code"),
        (nothing, "holds no model set", "neither model_index.json nor config.json"),
        (torn_config, "is no JSON", "fetch the model again"),
    ],
)
def test_a_folder_that_is_no_model_set_says_what_it_is(
    tmp_path: Path, make: Callable[[Path], None], message: str, way_out: str
) -> None:
    make(tmp_path)

    with pytest.raises(ModelError) as raised:
        zoo.resolve(str(tmp_path))
    assert message in raised.value.message
    assert way_out in f"{raised.value.why} {raised.value.help}"


def test_a_name_that_is_neither_known_nor_a_folder_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ModelError) as raised:
        zoo.model_facts("turbo-xl")
    assert "xl-turbo" in raised.value.help


def test_the_text_encoder_is_no_lm(tiny_set: Path, tmp_path: Path) -> None:
    the_text_encoder(tmp_path)

    with pytest.raises(ModelError, match="is the text encoder, not an LM"):
        zoo.resolve(str(tiny_set), str(tmp_path))


def test_a_bundle_with_several_dits_means_turbo_unless_one_is_named(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    write_dit(tiny_set, bundle / "acestep-v15-sft")

    whole, named = (zoo.resolve(str(folder)).files for folder in (bundle, bundle / "acestep-v15-sft"))
    assert whole is not None
    assert named is not None
    assert (whole.dit, named.dit) == (str(bundle / "acestep-v15-turbo"), str(bundle / "acestep-v15-sft"))
    assert whole.lm == str(bundle / "acestep-5Hz-lm-1.7B")
    assert whole.vae == named.vae == str(bundle / "vae")


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ({"is_turbo": True}, "turbo"),
        ({"model_version": "turbo"}, "turbo"),
        ({"is_turbo": False, "model_version": "sft"}, "sft"),
        ({"model_version": "base"}, "base"),
        ({}, "base"),
    ],
)
def test_a_checkpoints_kind_is_its_own_word(found: dict[str, object], kind: str) -> None:
    assert layouts.kind_of(found) == kind
