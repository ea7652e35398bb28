"""One take through the DiT: conditions to latents, by its own seed, stopped where its listener says so.

Noise is drawn on the CPU, in float32, by a generator of the take's own: so a seed starts from the same noise on every
device and in every dtype, and no take's depends on which were made before it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import torch

from renderer.models import device as devices
from renderer.models.ace_step.dit.dcw import Dcw
from renderer.models.ace_step.dit.denoise import (
    Sampling,
    custom_timesteps,
    denoise,
    initial_noise,
    shifted_timesteps,
    snap_to_turbo,
    turbo_timesteps,
    turn_noise,
)
from renderer.models.ace_step.dit.edit import edit_steps, held_steps, num_edit_steps
from renderer.models.ace_step.jobs import Abandoned
from renderer.models.kernels.prefetch import as_completed
from renderer.provenance import DitNotes

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from renderer.models.ace_step.dit.prepare import PreparedTake
    from renderer.models.ace_step.dit.velocity import ResidentDit
    from renderer.models.ace_step.protocol.requests import LatentsRequest
    from renderer.models.stage_job import Listener, StageJob


def denoise_take(
    dit: ResidentDit,
    job: StageJob,
    take: PreparedTake,
    sampling: Sampling,
    listener: Listener,
    meanwhile: Callable[[], None],
) -> npt.NDArray[np.float32]:
    """[frames, channels]; `meanwhile` runs once the first steps are queued.

    Raises: Abandoned when the listener cancels the job.
    """
    context = take.conditions.context
    request = cast("LatentsRequest", job.request)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    noise = initial_noise(context.shape[1], context.shape[2] // 2, generator)
    if request.retake_seed is not None:
        retake = torch.Generator("cpu").manual_seed(request.retake_seed)
        noise = turn_noise(noise, initial_noise(noise.shape[1], noise.shape[2], retake), request.retake_variance)
    clean = noise = devices.to_device(noise, context.device).to(context.dtype)
    if take.edit is None:
        # Made before the first step and kept by it: conditions are the same at every step.
        with torch.no_grad():
            velocity = dit.velocity(take.conditions)
        way, total = denoise(velocity, noise, sampling, generator), len(sampling.timesteps)
    else:
        # A morph's draws are the seed's first ones, as upstream has it: no noise stands at its beginning.
        drawing = generator.manual_seed(request.seed) if take.edit.request.task == "morph" else generator
        way = edit_steps(dit, take.conditions, take.edit, noise, sampling, drawing)
        total = num_edit_steps(take.edit, sampling)
    steps = as_completed(way, context.device, meanwhile)
    for done, latents in enumerate(steps, start=1):
        listener.progress(job.id, done, total, "steps")
        if listener.cancelled(job.id):
            raise Abandoned
        clean = latents
    frames: npt.NDArray[np.float32] = clean[0].float().cpu().numpy()
    return frames


def sampling_of(request: LatentsRequest, kind: str) -> Sampling:
    """How the loop runs for a request on a checkpoint of that kind: `turbo`, `sft` or `base`."""
    turbo = kind == "turbo"
    timesteps = (_turbo_timesteps if turbo else _timesteps)(request)
    # Turbo's last step goes straight to the end, as upstream has it.
    averaged = len(timesteps) - (1 if turbo else 0)
    return Sampling(
        timesteps=timesteps,
        # Guidance is distilled into turbo checkpoints; run on top it only distorts.
        guidance_scale=1.0 if turbo else request.guidance_scale,
        interval=(request.cfg_interval_start, request.cfg_interval_end),
        stochastic=request.infer_method == "sde",
        averaged_steps=averaged if request.sampler_mode == "heun" else 0,
        last_is_held=not turbo,
        dcw=_dcw(request),
    )


def _turbo_timesteps(request: LatentsRequest) -> tuple[float, ...]:
    if request.timesteps is not None:
        return snap_to_turbo(custom_timesteps(request.timesteps))
    return turbo_timesteps(request.inference_steps, request.shift)


def _timesteps(request: LatentsRequest) -> tuple[float, ...]:
    if request.timesteps is not None:
        return custom_timesteps(request.timesteps)
    return shifted_timesteps(request.inference_steps, request.shift)


def _dcw(request: LatentsRequest) -> Dcw | None:
    if not request.dcw_enabled or request.dcw_mode is None:
        return None
    return Dcw(mode=request.dcw_mode, scaler=request.dcw_scaler or 0.0, high_scaler=request.dcw_high_scaler or 0.0)


def notes_of(prepared: PreparedTake, sampling: Sampling, seconds: float, left_out: tuple[str, ...]) -> DitNotes:
    """How the latents were made, for recipe and report."""
    prompt, edit = prepared.prompt, prepared.edit
    return DitNotes(
        seconds=seconds,
        cut=prepared.cut,
        left_out=left_out,
        text_prompt=prompt.text,
        lyric_prompt=prompt.lyrics,
        metas=asdict(prompt.metas),
        origins=prompt.origins,
        departures=prompt.departures,
        num_frames=prompt.num_frames,
        timesteps=tuple(sampling.timesteps),
        guidance_scale=sampling.guidance_scale,
        task=edit.request.task if edit else None,
        windows=edit.windows if edit and edit.windows else None,
        held_steps=held_steps(edit, sampling) if edit and edit.windows else None,
    )
