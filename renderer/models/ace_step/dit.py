"""The DiT stage: prompts, metas and codes to latents, one take at a time."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch

from renderer.artifacts import Latents
from renderer.errors import StageError
from renderer.models import device as devices
from renderer.models import layouts
from renderer.models.ace_step.briefing import brief, departures
from renderer.models.ace_step.checkpoint import load_component, load_tokenizer
from renderer.models.ace_step.checks import check_scheduler, check_silence
from renderer.models.ace_step.conditions import Encoders, cuts, encode
from renderer.models.ace_step.denoise import (
    Sampling,
    custom_timesteps,
    denoise,
    initial_noise,
    shifted_timesteps,
)
from renderer.models.ace_step.jobs import Abandoned, run_alone
from renderer.models.ace_step.lora import merge
from renderer.models.family import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from renderer.artifacts import Codes, Cot
    from renderer.models.ace_step.briefing import Briefing
    from renderer.models.ace_step.denoise import Conditions
    from renderer.models.family import Done, Failed, Listener, ModelFiles, Settings, StageJob
    from renderer.requests import LatentsRequest


@dataclass(slots=True)
class LoadedDit:
    """The DiT with the encoders in front of it, resident."""

    dit: Any
    encoders: Encoders
    kind: str
    device: torch.device

    def run(self, stage: Stage, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:  # noqa: ARG002 - the seam's; this part has one stage
        """Latents for each job; one job at a time, so that no take hears another's padding."""
        for job in jobs:
            yield from run_alone(job, partial(self._latents, job, listener))

    def close(self) -> None:
        """Drop the weights and free the device's memory."""
        del self.dit, self.encoders
        devices.release(self.device)

    def _latents(self, job: StageJob, listener: Listener) -> Latents:
        request = cast("LatentsRequest", job.request)
        cot, codes = cast("Cot | None", job.upstream.get(Stage.COT)), _codes(job)
        began = time.perf_counter()
        briefing = brief(request, cot, codes)
        conditions = self._conditions(briefing, codes)
        sampling = self._sampling(request)
        frames = self._denoise(job, conditions, sampling, listener)
        notes = _notes(briefing, sampling)
        notes["cut"] = list(cuts(self.encoders.tokenizer, briefing.text, briefing.lyrics))
        notes["seconds"] = time.perf_counter() - began
        return Latents(frames=frames, notes=notes)

    def _conditions(self, briefing: Briefing, codes: Codes | None) -> Conditions:
        numbers = codes.codes if codes is not None else None
        return encode(self.encoders, briefing.text, briefing.lyrics, numbers, briefing.num_frames)

    def _sampling(self, request: LatentsRequest) -> Sampling:
        turbo = self.kind == "turbo"
        if request.timesteps is None:
            timesteps = shifted_timesteps(request.steps, request.shift)
        else:
            timesteps = custom_timesteps(request.timesteps, turbo=turbo)
        return Sampling(
            timesteps=timesteps,
            # Guidance is distilled into turbo checkpoints; run on top it only distorts.
            guidance_scale=1.0 if turbo else request.guidance_scale,
            interval=(request.cfg_interval_start, request.cfg_interval_end),
            stochastic=request.infer_method == "sde",
        )

    def _denoise(
        self, job: StageJob, conditions: Conditions, sampling: Sampling, listener: Listener
    ) -> npt.NDArray[np.float32]:
        """[frames, channels]."""
        generator = torch.Generator("cpu").manual_seed(cast("LatentsRequest", job.request).seed)
        num_frames, channels = conditions.context.shape[1], conditions.context.shape[2] // 2
        clean = noise = initial_noise(num_frames, channels, generator)
        for done, latents in enumerate(denoise(self.dit, conditions, noise, sampling, generator), start=1):
            listener.progress(job.id, done, len(sampling.timesteps), "steps")
            if listener.cancelled(job.id):
                raise Abandoned
            clean = latents
        frames: npt.NDArray[np.float32] = clean[0].float().cpu().numpy()
        return frames


def load_dit(files: ModelFiles, settings: Settings, listener: Listener) -> LoadedDit:
    """The DiT, text and condition encoder and, where there is one, the audio tokenizer pair, on the device.

    Raises: ModelError when a component is missing or isn't what it claims.
    """
    device = devices.prepare(settings.device, settings.threads)
    dtypes = devices.dtypes(settings.device, settings.dtype)

    def load(component: str, dtype: str) -> Any:
        return load_component(files, component, dtype=dtype, device=device, listener=listener)

    check_scheduler(files)
    paired = layouts.has_audio_tokenizer(files)
    encoders = Encoders(
        tokenizer=load_tokenizer(files),
        text_encoder=load("text_encoder", dtypes.text_encoder),
        condition_encoder=load("condition_encoder", dtypes.condition_encoder),
        audio_tokenizer=load("audio_tokenizer", dtypes.condition_encoder) if paired else None,
        audio_token_detokenizer=load("audio_token_detokenizer", dtypes.condition_encoder) if paired else None,
        device=device,
        dtype=getattr(torch, dtypes.dit),
    )
    check_silence(encoders.condition_encoder.silence_latent, files)
    dit = load("dit", dtypes.dit)
    merge(dit, files.loras)
    return LoadedDit(dit=dit, encoders=encoders, kind=files.kind, device=device)


def _codes(job: StageJob) -> Codes | None:
    """The job's codes.

    Raises: StageError when the LM wrote none at all: there is nothing to play.
    """
    codes = cast("Codes | None", job.upstream.get(Stage.CODES))
    if codes is not None and not len(codes.codes):
        raise StageError(
            "the LM wrote no codes", why="it ended the song at once", help="give the song a duration, or another seed"
        )
    return codes


def _notes(briefing: Briefing, sampling: Sampling) -> dict[str, Any]:
    """How the latents were made, for recipe and report."""
    return {
        "text_prompt": briefing.text,
        "lyric_prompt": briefing.lyrics,
        "metas": asdict(briefing.metas),
        "origins": dict(briefing.origins),
        "departures": list(departures(briefing)),
        "num_frames": briefing.num_frames,
        "timesteps": list(sampling.timesteps),
        "guidance_scale": sampling.guidance_scale,
    }
