"""The DiT in fewer operations says what the plain one says, up to rounding; conditions come before it, once each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.models.ace_step.dit.attention import BlockAttention
from renderer.models.ace_step.dit.fused import FusedDit
from renderer.models.ace_step.dit.part import LoadedDit
from renderer.models.ace_step.dit.plain import PlainDit
from renderer.models.ace_step.dit.velocity import Conditions
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.catalog.zoo import resolve
from renderer.models.stage_job import Done, Failed
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import CODES, REQUEST, SETTINGS, latents_job

if TYPE_CHECKING:
    from pathlib import Path

MAX_RELATIVE_ERROR = 1e-5  # of float32 velocities, against the largest


def transformer(seed: int, **changes: Any) -> Any:
    from diffusers import AceStepTransformer1DModel

    torch.manual_seed(seed)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "head_dim": 16, "sliding_window": 16}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    channels = {"in_channels": 24, "audio_acoustic_hidden_dim": 8}
    return AceStepTransformer1DModel(**{**sizes, **heads, **channels, "encoder_hidden_size": 48, **changes}).eval()


def fused_dit(plain: Any) -> FusedDit:
    return FusedDit(plain, attention=BlockAttention.of)


def conditions(num_frames: int, num_tokens: int = 37) -> Conditions:
    generator = torch.Generator().manual_seed(num_frames)
    return Conditions(
        encoded=torch.randn((1, num_tokens, 48), generator=generator),
        null=torch.randn((1, 1, 48), generator=generator),
        context=torch.randn((1, num_frames, 16), generator=generator),
    )


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("num_frames", [1, 15, 32, 33, 34, 35, 64, 65, 200, 333])
@torch.no_grad()
def test_it_agrees_with_the_plain_dit_at_every_length(num_frames: int, rows: int) -> None:
    heard = conditions(num_frames)
    latents = torch.randn((1, num_frames, 8)).repeat(rows, 1, 1)

    plain, fused = (make(transformer(0)).velocity(heard)(latents, 0.7) for make in (PlainDit, fused_dit))

    assert fused.shape == plain.shape
    assert (fused - plain).abs().max() <= MAX_RELATIVE_ERROR * plain.abs().max()


@pytest.mark.parametrize("changes", [{"num_key_value_heads": 4}, {"encoder_hidden_size": 48, "hidden_size": 80}])
@torch.no_grad()
def test_it_agrees_at_other_sizes(changes: dict[str, int]) -> None:
    heard = conditions(100)
    latents = torch.randn((2, 100, 8))

    plain, fused = (make(transformer(1, **changes)).velocity(heard)(latents, 0.3) for make in (PlainDit, fused_dit))

    assert (fused - plain).abs().max() <= MAX_RELATIVE_ERROR * plain.abs().max()


def test_no_layer_is_held_twice() -> None:
    plain = transformer(0)
    fused_dit(plain)

    assert not [name for name, _ in plain.named_parameters() if name.startswith("layers")]


@pytest.fixture
def part(tiny_set: Path) -> LoadedDit:
    files = resolve(str(tiny_set)).files
    assert files is not None
    loaded = AceStepLoader().load("dit", files, SETTINGS, Heard())
    assert isinstance(loaded, LoadedDit)
    return loaded


def test_conditions_of_all_takes_are_made_before_the_dit_is_read(part: LoadedDit) -> None:
    heard = Heard()
    jobs = [replace(latents_job(replace(REQUEST, seed=seed), CODES), id=f"take {seed}") for seed in (1, 2, 3)]

    results = list(part.latents(jobs, heard))

    assert heard.loads == ["dit"]
    assert [result.id for result in results] == ["take 1", "take 2", "take 3"]
    again = list(part.latents(jobs[1:2], heard))
    assert heard.loads == ["dit"]
    assert isinstance(again[0], Done)
    assert np.array_equal(again[0].artifact.frames, results[1].artifact.frames)


def test_encoders_that_made_room_are_read_again_and_sound_the_same(part: LoadedDit) -> None:
    first, heard = latents_job(REQUEST, CODES), Heard()
    (before,) = part.latents([first], heard)
    part._encoders = None  # as where both don't fit

    (after,) = part.latents([first], heard)

    encoders = ["text_encoder", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer"]
    assert heard.loads == ["dit", *encoders]
    assert np.array_equal(before.artifact.frames, after.artifact.frames)


def test_a_take_whose_conditions_fail_costs_only_itself(part: LoadedDit) -> None:
    bad = replace(CODES, codes=np.array([5, 1_000], np.int32))
    jobs = [replace(latents_job(REQUEST, codes), id=name) for name, codes in (("bad", bad), ("good", CODES))]

    results = {result.id: result for result in part.latents(jobs, Heard())}

    assert isinstance(results["good"], Done)
    assert isinstance(results["bad"], Failed)
    assert results["bad"].message == "the LM wrote code 1000, the codebook ends at 999"
