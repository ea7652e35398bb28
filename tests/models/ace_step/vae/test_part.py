"""Sound is checked before it is made loud, and tiles don't change it."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderOobleck

from renderer.artifacts import Latents
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.protocol.requests import WaveformRequest
from renderer.models.ace_step.vae.fused import Snake, slim
from renderer.models.ace_step.vae.part import LoadedVae, _keep_only_decoding
from renderer.models.ace_step.vae.sound import PEAK, checked_peak, scale_to_peak
from renderer.models.ace_step.vae.tiles import Tiles
from renderer.models.catalog.zoo import resolve
from renderer.models.stage_job import Done, Failed, StageJob
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def vae(tiny_set: Path) -> LoadedVae:
    files = resolve(str(tiny_set)).files
    assert files is not None
    loaded = AceStepLoader().load("vae", files, SETTINGS, Heard())
    assert isinstance(loaded, LoadedVae)
    return loaded


def latents(num_frames: int, scale: float = 1.0) -> Latents:
    return Latents(frames=(np.random.default_rng(0).standard_normal((num_frames, 8)) * scale).astype(np.float32))


def decode(
    part: LoadedVae, found: Latents, duration: float | None = None, heard: Heard | None = None
) -> Done | Failed | None:
    job = StageJob(id="take", request=WaveformRequest(duration=duration), upstream={"latents": found})
    return next(part.waveform([job], heard or Heard()), None)


def test_sound_is_trimmed_to_the_asked_length_and_then_scaled(vae: LoadedVae) -> None:
    done = decode(vae, latents(100), duration=3.14159)

    assert isinstance(done, Done)
    samples = done.artifact.samples
    assert samples.shape == (2, 150_796)
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=1e-6)


def decoder(device: str = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """diffusers' own with random weights, its snakes' too, which it would begin at zero."""
    torch.manual_seed(2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        vae: Any = AutoencoderOobleck(encoder_hidden_size=16, decoder_channels=8)
    for name, parameter in vae.decoder.named_parameters():
        if name.endswith(("alpha", "beta")):
            torch.nn.init.normal_(parameter, std=0.5)
    vae.decoder.to(device=device, dtype=dtype).requires_grad_(requires_grad=False)
    _keep_only_decoding(vae)
    return vae.decoder.eval()


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_of_a_vae_the_half_that_works_is_read_and_is_as_in_the_whole(tiny_set: Path, name: str) -> None:
    files = resolve(str(tiny_set)).files
    assert files is not None
    where = {"dtype": "float32", "device": torch.device("cpu"), "listener": Heard()}

    whole = find_component(files, "vae").load(**where).state_dict()
    half = find_component(files, "vae").half(name).load(**where).state_dict()

    assert list(half) == [key for key in whole if key.startswith(f"{name}.")]
    assert all(torch.equal(half[key], whole[key]) for key in half)


def test_snakes_that_work_in_place_give_diffusers_bits() -> None:
    plain, slimmer = decoder(), decoder()
    slim(slimmer)
    frames = torch.randn((1, 64, 40), generator=torch.Generator().manual_seed(1))

    assert sum(isinstance(module, Snake) for module in slimmer.modules()) == 36
    assert torch.equal(slimmer(frames), plain(frames))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_sound_has_the_steps_of_float32_whatever_the_vae_computes_in(tiny_set: Path, dtype: str) -> None:
    files = resolve(str(tiny_set)).files
    assert files is not None

    part = AceStepLoader().load("vae", files, dataclasses.replace(SETTINGS, dtype=dtype), Heard())
    assert isinstance(part, LoadedVae)
    done = decode(part, latents(100))

    assert part.vae.dtype == getattr(torch, dtype)
    assert isinstance(done, Done)
    assert len(np.unique(done.artifact.samples)) > 100_000


def upstreams_scaling(samples: torch.Tensor) -> torch.Tensor:
    """As diffusers' pipeline scales."""
    peak = samples.abs().amax()
    if peak > 1.0:
        samples = samples / peak
    return samples * (PEAK / samples.abs().amax().clamp(min=1e-6))


def noise(level: float) -> torch.Tensor:
    return torch.randn((2, 100_001), generator=torch.Generator().manual_seed(1)) * level


@pytest.mark.parametrize("level", [3.7, 0.11, 1e-5])
def test_scaling_gives_the_bits_of_upstreams_arithmetic(level: float) -> None:
    sound = noise(level)
    expected = upstreams_scaling(sound.clone())

    assert torch.equal(scale_to_peak(sound, checked_peak(sound, None)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("num_frames", [1, 63, 64, 65, 200, 431])
def test_tiles_sound_like_one_piece(vae: LoadedVae, num_frames: int) -> None:
    whole = dataclasses.replace(vae, tiles=Tiles(length=10_000, overlap=8))
    heard = Heard()

    tiled, untiled = decode(vae, latents(num_frames), heard=heard), decode(whole, latents(num_frames))

    assert isinstance(tiled, Done)
    assert isinstance(untiled, Done)
    assert tiled.artifact.samples.shape == (2, num_frames * 1_920)
    assert np.abs(tiled.artifact.samples - untiled.artifact.samples).max() < 1e-5
    assert heard.steps[-1][1] == heard.steps[-1][2] == len(vae.tiles.windows(num_frames))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Latents(frames=np.full((50, 8), np.nan, np.float32)), "the latents hold NaN or infinity"),
        (Latents(frames=np.full((50, 8), np.inf, np.float32)), "the latents hold NaN or infinity"),
        (Latents(frames=np.zeros((50, 8), np.float32)), "the latents are all zero"),
    ],
)
def test_broken_latents_fail_before_they_are_decoded(vae: LoadedVae, found: Latents, message: str) -> None:
    failed = decode(vae, found)

    assert isinstance(failed, Failed)
    assert failed.message == message
    assert failed.help


@pytest.mark.parametrize(
    ("level", "message"),
    [
        (float("nan"), "the VAE's sound holds NaN or infinity"),
        (1e-6, "the take is silent"),
        (0.5, "the take is a constant"),
        (5e3, "the take's level is absurd: 5000 times full scale"),
    ],
)
def test_sound_that_is_none_fails_in_place_of_being_made_loud(vae: LoadedVae, level: float, message: str) -> None:
    class Quiet(torch.nn.Module):
        dtype = torch.float32

        def decoder(self, channels_first: torch.Tensor) -> torch.Tensor:
            return torch.full((1, 2, channels_first.shape[-1] * 1_920), level)

    failed = decode(dataclasses.replace(vae, vae=Quiet()), latents(50))

    assert isinstance(failed, Failed)
    assert failed.message == message


def test_a_take_that_ends_long_before_what_was_asked_is_a_failure(vae: LoadedVae) -> None:
    failed = decode(vae, latents(200), duration=30.0)

    assert isinstance(failed, Failed)
    assert failed.message == "the take ends after 8.0 s of 30 s"
    assert isinstance(decode(vae, latents(200), duration=8.2), Done)


def test_a_cancelled_decode_stops_at_the_next_tile(vae: LoadedVae) -> None:
    heard = Heard(cancel_after=2)

    assert decode(vae, latents(400), heard=heard) is None
    assert len(heard.steps) == 2


class Cramped:
    """The VAE on a device whose memory holds so many frames."""

    def __init__(self, vae: Any, num_frames: int) -> None:
        self.vae, self.num_frames, self.dtype = vae, num_frames, vae.dtype

    def decoder(self, channels_first: torch.Tensor) -> torch.Tensor:
        if channels_first.shape[-1] > self.num_frames:
            raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")
        return self.vae.decoder(channels_first)


@pytest.mark.slow
def test_full_memory_costs_tile_size_not_the_take(vae: LoadedVae) -> None:
    large = dataclasses.replace(vae, tiles=Tiles(length=256, overlap=64))
    whole, cramped = (
        decode(large, latents(300)),
        decode(dataclasses.replace(large, vae=Cramped(vae.vae, 100)), latents(300)),
    )

    assert isinstance(whole, Done)
    assert isinstance(cramped, Done)
    assert np.abs(whole.artifact.samples - cramped.artifact.samples).max() < 1e-5
    assert whole.artifact.notes.degraded is None
    assert cramped.artifact.notes.degraded == ("VAE tiles of 64 instead of 256: the memory was full",)
    hopeless = decode(dataclasses.replace(large, vae=Cramped(vae.vae, 10)), latents(300))
    assert isinstance(hopeless, Failed)
    assert hopeless.message == "the device's memory is full"
