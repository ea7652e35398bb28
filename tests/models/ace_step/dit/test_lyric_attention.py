"""What chosen heads attend to: as a whole forward of diffusers' own classes has it, and no more than is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from renderer.models.ace_step.dit.plain import PlainDit
from tests.models.ace_step.dit.test_fused import conditions, fused_dit, transformer
from tests.models.ace_step.dit.test_plain import as_diffusers_has_it

if TYPE_CHECKING:
    from renderer.models.ace_step.dit.velocity import Conditions

HEADS = ((0, (3,)), (2, (1, 2)))
TOKENS = slice(4, 20)


@torch.no_grad()
def eager(dit: Any, heard: Conditions, latents: torch.Tensor, timestep: float) -> torch.Tensor:
    """Every head's weights of a whole forward, by the book; then those asked for."""
    found: dict[int, torch.Tensor] = {}

    def weigh(layer: int) -> Any:
        def hook(module: Any, _args: Any, inputs: Any, _out: Any) -> None:
            query = module.norm_q(module.to_q(inputs["hidden_states"]).unflatten(-1, (4, 16))).transpose(1, 2)
            key = module.norm_k(module.to_k(inputs["encoder_hidden_states"]).unflatten(-1, (2, 16))).transpose(1, 2)
            key = key.repeat_interleave(2, dim=1)
            found[layer] = torch.softmax(query @ key.transpose(-1, -2) / 16**0.5, dim=-1)[0]

        return hook

    hooks = [
        layer.cross_attn.register_forward_hook(weigh(place), with_kwargs=True) for place, layer in enumerate(dit.layers)
    ]
    as_diffusers_has_it(dit, heard, latents, timestep)
    for hook in hooks:
        hook.remove()
    wanted = [found[layer][head] for layer, heads in HEADS for head in heads]
    return torch.stack(wanted)[:, :, TOKENS].transpose(1, 2)


@pytest.mark.parametrize("num_frames", [1, 31, 100])
@pytest.mark.parametrize("make", [PlainDit, fused_dit])
@torch.no_grad()
def test_it_is_what_a_whole_forward_attends_to(num_frames: int, make: Any) -> None:
    heard, latents = conditions(num_frames), torch.randn((1, num_frames, 8))
    expected = eager(transformer(0), heard, latents, 0.125)

    found = make(transformer(0)).attention(heard, latents, 0.125, HEADS, TOKENS)

    assert found.dtype == torch.float32
    assert found.shape == (3, 16, -(-num_frames // 2))
    assert (found - expected).abs().max() < 1e-5


@torch.no_grad()
def test_layers_behind_the_last_one_asked_for_do_not_run() -> None:
    dit, heard = transformer(0), conditions(20)
    ran: list[int] = []
    for place, layer in enumerate(dit.layers):
        layer.register_forward_hook(lambda *_, place=place: ran.append(place))

    PlainDit(dit).attention(heard, torch.randn((1, 20, 8)), 0.5, HEADS, TOKENS)

    assert ran == [0, 1, 2]


@pytest.mark.parametrize("make", [PlainDit, fused_dit])
@torch.no_grad()
def test_reading_leaves_the_velocity_as_it_was(make: Any) -> None:
    dit, heard, latents = make(transformer(0)), conditions(20), torch.randn((1, 20, 8))
    before = dit.velocity(heard)(latents, 0.5)

    dit.attention(heard, latents, 0.5, HEADS, TOKENS)

    assert torch.equal(dit.velocity(heard)(latents, 0.5), before)
