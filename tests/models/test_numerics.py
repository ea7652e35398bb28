"""Dtypes and kernels enter keys as values, and are told in the words that records of former versions hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from renderer.json_values import to_json
from renderer.models.ace_step.planned import numerics
from renderer.models.ace_step.stages import FAMILY
from renderer.models.model_files import Settings
from renderer.models.numerics import Numerics, words_of

CUDA = {
    "lm": Numerics(dtype="bfloat16", attention="ragged", prompt_bucket=256),
    "dit": Numerics(dtype="bfloat16", conditions="bfloat16", text="bfloat16", kernels="flash"),
    "vae": Numerics(dtype="bfloat16", kernels="fused"),
    "encoder": Numerics(dtype="float32"),
}
FORMER = {
    "lm": "bfloat16, ragged attention, prompts filled to 256",
    "dit": "bfloat16, bfloat16 conditions, bfloat16 text, flash kernels",
    "vae": "bfloat16, fused kernels",
    "encoder": "float32",
}


@pytest.mark.parametrize("part", FAMILY.parts)
def test_a_record_tells_numerics_in_the_words_of_former_records(part: str) -> None:
    assert words_of({"numerics": to_json(CUDA[part])}) == words_of({"dtype": FORMER[part]}) == FORMER[part]


def test_numerics_that_a_newer_version_tells_more_of_are_told_as_far_as_they_are_known() -> None:
    assert words_of({"numerics": {"dtype": "float32", "accumulated": "float64"}}) == "float32"


def settings(device: str) -> Settings:
    return Settings(device=device, dtype="float32", threads=1, lm_slots=4, vae_tile=512, vae_overlap=64)


def test_what_a_part_computes_by_its_library_alone_is_in_no_key() -> None:
    assert {part: to_json(one) for part, one in numerics(settings("mps")).items()} == {
        "lm": {"dtype": "float32", "attention": "masked"},
        "dit": {"dtype": "float32", "conditions": "float32", "text": "float32", "kernels": "plain"},
        "vae": {"dtype": "float32"},
        "encoder": {"dtype": "float32"},
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_keys_of_a_cpu_tell_how_rows_attend_there(dtype: str) -> None:
    assert numerics(replace(settings("cpu"), dtype=dtype))["lm"].words == f"{dtype}, apart attention"


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "aarch64", "arm64"])
def test_keys_of_a_cpu_are_the_same_on_any_machine(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert {part: to_json(one) for part, one in numerics(settings("cpu")).items()} == {
        "lm": {"dtype": "float32", "attention": "apart"},
        "dit": {"dtype": "float32", "conditions": "float32", "text": "float32", "kernels": "plain"},
        "vae": {"dtype": "float32", "kernels": "sliced"},
        "encoder": {"dtype": "float32"},
    }


def test_keys_of_cuda_tell_all_that_rounds_otherwise_there() -> None:
    assert {part: one.words for part, one in numerics(settings("cuda:0")).items()} == {
        "lm": "float32, masked attention, prompts filled to 256",
        "dit": "float32, float32 conditions, float32 text, blockwise kernels",
        "vae": "float32, fused kernels",
        "encoder": "float32",
    }


def test_a_key_of_16_bits_tells_that_the_vaes_last_layer_gives_float32() -> None:
    told = numerics(replace(settings("cpu"), dtype="bfloat16"))["vae"]

    assert told.words == "bfloat16, float32 output"
    assert to_json(told) == {"dtype": "bfloat16", "output": "float32"}
