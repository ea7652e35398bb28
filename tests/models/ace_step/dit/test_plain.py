"""The DiT layer by layer, its mask and rotations made once a take: diffusers' own forward, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from renderer.models.ace_step.dit.plain import PlainDit, window_mask
from tests.models.ace_step.dit.test_fused import conditions, transformer

if TYPE_CHECKING:
    from renderer.models.ace_step.dit.velocity import Conditions


@torch.no_grad()
def as_diffusers_has_it(dit: Any, heard: Conditions, latents: torch.Tensor, timestep: float) -> torch.Tensor:
    rows, times = len(latents), timestep * torch.ones((len(latents),), dtype=latents.dtype)
    encoded = [heard.encoded, heard.null.expand_as(heard.encoded)][:rows]
    velocity: torch.Tensor = dit(
        hidden_states=latents,
        timestep=times,
        timestep_r=times,
        encoder_hidden_states=torch.cat(encoded),
        context_latents=torch.cat([heard.context] * rows),
        return_dict=False,
    )[0]
    return velocity


def in_dtype(heard: Conditions, dtype: torch.dtype) -> Conditions:
    return type(heard)(encoded=heard.encoded.to(dtype), null=heard.null.to(dtype), context=heard.context.to(dtype))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("num_frames", [1, 2, 33, 34, 35, 200, 333])
@torch.no_grad()
def test_every_step_has_the_bits_of_diffusers_own_forward(num_frames: int, rows: int, dtype: torch.dtype) -> None:
    dit, heard = transformer(0).to(dtype), in_dtype(conditions(num_frames), dtype)
    latents = torch.randn((rows, num_frames, 8)).to(dtype)

    velocity = PlainDit(dit).velocity(heard)

    for timestep in (1.0, 0.7, 0.3):
        found = velocity(latents, timestep)
        assert found.dtype == dtype
        assert torch.equal(found, as_diffusers_has_it(dit, heard, latents, timestep))


@torch.no_grad()
def test_a_take_may_go_from_two_rows_to_one_and_back() -> None:
    """As guidance that runs over part of the steps only makes it do."""
    dit, heard = transformer(0), conditions(100)
    velocity = PlainDit(dit).velocity(heard)

    for rows in (2, 1, 2):
        latents = torch.randn((rows, 100, 8))
        assert torch.equal(velocity(latents, 0.5), as_diffusers_has_it(dit, heard, latents, 0.5))


@pytest.mark.parametrize("changes", [{"layer_types": ["full_attention"] * 4}, {"sliding_window": 3}])
@torch.no_grad()
def test_other_windows_have_diffusers_bits(changes: dict[str, Any]) -> None:
    dit, heard, latents = transformer(1, **changes), conditions(90), torch.randn((2, 90, 8))

    found = PlainDit(dit).velocity(heard)(latents, 0.5)

    assert torch.equal(found, as_diffusers_has_it(dit, heard, latents, 0.5))


@pytest.mark.parametrize("num_patches", [1, 5, 511, 512, 513, 1_300])
def test_the_mask_is_diffusers_own(num_patches: int) -> None:
    from diffusers.models.transformers.ace_step_transformer import _create_4d_mask

    expected = _create_4d_mask(
        num_patches,
        torch.bfloat16,
        torch.device("cpu"),
        sliding_window=128,
        is_sliding_window=True,
        is_causal=False,
    )

    assert torch.equal(window_mask(num_patches, 128, torch.empty(0, dtype=torch.bfloat16)), expected)
