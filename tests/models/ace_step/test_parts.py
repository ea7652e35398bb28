"""DiT and VAE against diffusers' own pipeline, on the tiny set."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.artifacts import Codes, Cot, Latents, Waveform
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.protocol.requests import WaveformRequest
from renderer.models.ace_step.stages import FAMILY
from renderer.models.ace_step.vae.sound import scale_to_peak
from renderer.models.catalog.zoo import resolve
from renderer.models.family import runner_of
from renderer.models.model_files import ModelFiles, Settings
from renderer.models.stage_job import Done, StageJob
from tests.models.ace_step.asks import latents_request
from tests.models.ace_step.listening import Heard

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.ace_step.protocol.requests import LatentsRequest

SETTINGS = Settings(device="cpu", dtype="auto", threads=1, lm_slots=1, vae_tile=64, vae_overlap=8)
REQUEST = latents_request()
CODES = Codes(codes=(np.arange(50, dtype=np.int32) * 37) % 1000)


@pytest.fixture(scope="module")
def files(tiny_set: Path) -> ModelFiles:
    found = resolve(str(tiny_set)).files
    assert found is not None
    return found


@pytest.fixture(scope="module")
def pipeline(tiny_set: Path) -> Any:
    return load_pipeline(tiny_set)


def load_pipeline(folder: Path) -> Any:
    from diffusers import AceStepPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = AceStepPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    loaded.set_progress_bar_config(disable=True)
    loaded.vae.enable_tiling()
    loaded.vae.tile_latent_min_length, loaded.vae.tile_latent_overlap = SETTINGS.vae_tile, SETTINGS.vae_overlap
    torch.set_num_threads(1)
    return loaded


def run_one(part: str, files: ModelFiles, job: StageJob, stage: str, listener: Heard | None = None) -> Any:
    listener = listener or Heard()
    loaded = AceStepLoader().load(part, files, SETTINGS, listener)
    results = list(runner_of(FAMILY.stages[stage])(loaded, [job], listener))
    loaded.close()
    return results[0] if results else None


def latents_job(request: LatentsRequest, codes: Codes | None = None, cot: Cot | None = None) -> StageJob:
    given = {"cot": cot, "codes": codes}
    return StageJob(id="take", request=request, upstream={stage: found for stage, found in given.items() if found})


def noise(num_frames: int, seed: int = 7) -> torch.Tensor:
    return torch.randn((1, num_frames, 8), generator=torch.Generator("cpu").manual_seed(seed))


def asked_of_pipeline(request: LatentsRequest, codes: Codes | None, num_frames: int) -> dict[str, Any]:
    metas = request.metas
    written = "".join(f"<|audio_code_{code}|>" for code in codes.codes) if codes else None
    return {
        "prompt": request.caption,
        "lyrics": request.lyrics,
        "audio_duration": metas.duration,
        "vocal_language": request.metas.vocal_language,
        "num_inference_steps": request.inference_steps,
        "guidance_scale": request.guidance_scale,
        "shift": request.shift,
        "bpm": metas.bpm,
        "keyscale": metas.keyscale,
        "timesignature": metas.timesignature,
        "audio_codes": written,
        "timesteps": list(request.timesteps) if request.timesteps else None,
        "latents": noise(num_frames, request.seed),
    }


@pytest.mark.slow
@pytest.mark.parametrize("codes", [None, CODES], ids=["text2music", "with codes"])
def test_a_take_has_the_latents_of_diffusers_own_call_bit_for_bit_and_its_sound_up_to_rounding(
    files: ModelFiles, pipeline: Any, codes: Codes | None
) -> None:
    expected = pipeline(**asked_of_pipeline(REQUEST, codes, 250), output_type="pt").audios[0]

    latents = run_one("dit", files, latents_job(REQUEST, codes), "latents")
    assert isinstance(latents, Done), latents
    assert isinstance(latents.artifact, Latents)
    with torch.no_grad():
        decoded = pipeline.vae.decode(torch.from_numpy(latents.artifact.frames).T[None]).sample[0]
    assert torch.equal(scale_to_peak(decoded, float(decoded.abs().max())), expected)
    job = StageJob(id="take", request=WaveformRequest(duration=10.0), upstream={"latents": latents.artifact})
    waveform = run_one("vae", files, job, "waveform")
    assert isinstance(waveform, Done), waveform

    assert isinstance(waveform.artifact, Waveform)
    assert waveform.artifact.samples.shape == (2, 480_000)
    assert np.abs(waveform.artifact.samples - expected.numpy()).max() < 2e-6


def test_each_component_tells_that_it_was_loaded(files: ModelFiles) -> None:
    heard = Heard()
    run_one("dit", files, latents_job(REQUEST, CODES), "latents", heard)

    assert heard.loads == ["text_encoder", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "dit"]
    assert heard.steps == [("take", done, 8, "steps") for done in range(1, 9)]


def test_a_cancelled_take_stops_at_the_next_step_and_yields_nothing(files: ModelFiles) -> None:
    heard = Heard(cancel_after=3)

    assert run_one("dit", files, latents_job(REQUEST), "latents", heard) is None
    assert len(heard.steps) == 3
