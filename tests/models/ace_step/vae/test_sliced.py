"""On a CPU the VAE decodes slice by slice: diffusers' sound up to rounding, wherever slices end."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from diffusers import AutoencoderOobleck

from renderer.models.ace_step.vae import sliced
from renderer.models.ace_step.vae.sliced import Sliced
from renderer.models.ace_step.vae.weight_norm import fold_weight_norm

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def decoder(ratios: tuple[int, ...] = (2, 4, 4, 6, 10)) -> Any:
    """diffusers' own with random weights, its snakes' too, which it would begin at zero."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        made = AutoencoderOobleck(
            encoder_hidden_size=4,
            downsampling_ratios=list(ratios),
            channel_multiples=[1, 1, 2, 2, 3][: len(ratios)],
            decoder_channels=4,
            decoder_input_channels=8,
        ).decoder.eval()
    fold_weight_norm(made)
    with torch.no_grad():
        for name, values in made.named_parameters():
            if "alpha" in name or "beta" in name:
                values.normal_(std=0.3)
    return made


@pytest.mark.parametrize("ratios", [(2, 4, 4, 6, 10), (3, 5)])
@pytest.mark.parametrize("num_frames", [1, 2, 7, 65])
def test_sound_is_diffusers_up_to_rounding(
    monkeypatch: pytest.MonkeyPatch, ratios: tuple[int, ...], num_frames: int
) -> None:
    # So that even a short sound is cut, at places that no layer's stride divides.
    monkeypatch.setattr(sliced, "SLICE", 1)
    monkeypatch.setattr(sliced, "LEAST_ROWS", 211)
    plain = decoder(ratios)
    latents = torch.randn(1, 8, num_frames, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = plain(latents)

    found = Sliced(copy.deepcopy(plain))(latents)

    assert found.shape == expected.shape
    assert float((found - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.usefixtures("two_threads")
def test_threads_beside_each_other_give_the_same_bits_each_time_and_leave_torchs_own_number() -> None:
    plain, latents = decoder(), torch.randn(1, 8, 150, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = plain(latents)
    made = Sliced(plain)

    found = [made(latents) for _ in range(3)]

    assert torch.get_num_threads() == 2
    assert all(torch.equal(found[0], one) for one in found)
    assert float((found[0] - expected).norm() / expected.norm()) < 1e-5
