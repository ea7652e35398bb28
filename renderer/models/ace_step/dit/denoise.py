"""Noise to latents: schedule, guidance and the Euler loop of ACE-Step's flow matching, one take at a time.

Noise and a DiT's velocity go in, latents come out; knows nothing of conditions, prompts, files or jobs.
Source: huggingface/diffusers, src/diffusers/pipelines/ace_step/pipeline_ace_step.py, whose arithmetic this repeats;
what that lacks (Heun's method, DCW, retakes): ace-step/ACE-Step-1.5, acestep/models
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance

from renderer.errors import StageError
from renderer.facts import MAX_TIMESTEPS
from renderer.models.ace_step.dit.dcw import apply_dcw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from renderer.models.ace_step.dit.dcw import Dcw
    from renderer.models.ace_step.dit.velocity import Velocity

# APG as ACE-Step's base models run it. Source: ace-step/ACE-Step-1.5, acestep/models/common/apg_guidance.py
MOMENTUM = -0.75
NORM_THRESHOLD = 2.5
# Custom timesteps on turbo are moved to the nearest of the steps it was distilled on: eight at each of three shifts.
# Source: ace-step/ACE-Step-1.5, acestep/models/turbo/modeling_acestep_v15_turbo.py
TURBO_TIMESTEPS = (
    *(1.0, 21 / 22, 14 / 15, 9 / 10, 7 / 8, 6 / 7, 5 / 6, 10 / 13, 3 / 4, 2 / 3),
    *(9 / 14, 5 / 8, 6 / 11, 1 / 2, 2 / 5, 3 / 8, 3 / 10, 1 / 4, 2 / 9, 1 / 8),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the loop runs."""

    timesteps: tuple[float, ...]
    """From 1 (noise) down, without the final 0."""
    guidance_scale: float
    """Guidance runs when > 1."""
    interval: tuple[float, float]
    """Guidance runs while start <= t <= end."""
    stochastic: bool
    """Fresh noise at each step (`sde`)."""
    averaged_steps: int = 0
    """How many, from the first, go along the mean of the velocities at both their ends (Heun's method)."""
    dcw: Dcw | None = None
    last_is_held: bool = False
    """Whether what is around a window is put back after the last step, too: upstream's loops do, but for turbo's."""

    def from_step(self, step: int) -> Sampling:
        """Without the steps before."""
        return replace(self, timesteps=self.timesteps[step:], averaged_steps=max(0, self.averaged_steps - step))

    def guides(self, time: float) -> bool:
        """Whether guidance runs at that time."""
        start, end = self.interval
        return self.guidance_scale > 1.0 and start <= time <= end


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an edit's loop goes another way than that of a new take."""

    later: Velocity | None = None
    """What predicts from `switch` on: the source is no longer followed."""
    switch: int = 0
    hold: Callable[[Tensor, int], Tensor] = lambda latents, _: latents
    """A step's result and its number -> the same with what is kept of the source."""


def turbo_timesteps(num_steps: int, shift: float) -> tuple[float, ...]:
    """From 1 down in equal steps, the final 0 left out, bent towards noise: t' = s·t / (1 + (s - 1)·t).

    Exact, then rounded to float32 once. Source: ace-step/ACE-Step-1.5, acestep/models/turbo
    """
    steps = [1.0 - step / num_steps for step in range(1, num_steps)]
    bent = steps if shift == 1.0 else [shift * time / (1.0 + (shift - 1.0) * time) for time in steps]
    return (1.0, *torch.tensor(bent, dtype=torch.float32).tolist())


def shifted_timesteps(num_steps: int, shift: float) -> tuple[float, ...]:
    """The same for sft and base, each operation in float32. Source: ace-step/ACE-Step-1.5, acestep/models/base."""
    steps = torch.linspace(1.0, 0.0, num_steps + 1, dtype=torch.float32)[1:-1]
    # Left alone at 1.0, where the formula would only round; as noise is, which it can miss, and guidance with it.
    bent = steps if shift == 1.0 else shift * steps / (1 + (shift - 1) * steps)
    return (1.0, *bent.tolist())


def custom_timesteps(timesteps: tuple[float, ...]) -> tuple[float, ...]:
    """The user's timesteps as the loop takes them: without zeros at the end.

    Raises: StageError when nothing is left, there are too many, or one lies outside 0 < t <= 1.
    """
    kept = list(timesteps)
    while kept and kept[-1] == 0.0:
        kept.pop()
    if not kept or len(kept) > MAX_TIMESTEPS or not all(0.0 < step <= 1.0 for step in kept):
        raise StageError(
            f"these timesteps can't be run: {', '.join(map(str, timesteps)) or 'none'}",
            why=f"1 to {MAX_TIMESTEPS} are taken, each above 0 and at most 1",
            help="correct `timesteps`, or leave it out",
        )
    return tuple(kept)


def snap_to_turbo(timesteps: tuple[float, ...]) -> tuple[float, ...]:
    """Each moved to the nearest of those that turbo was distilled on, in float32."""
    snapped = [min(TURBO_TIMESTEPS, key=lambda known: abs(known - step)) for step in timesteps]
    return tuple(torch.tensor(snapped, dtype=torch.float32).tolist())


def initial_noise(num_frames: int, channels: int, generator: torch.Generator) -> Tensor:
    """[1, frames, channels], float32, on the CPU: the same numbers whatever the device and dtype of the DiT."""
    return torch.randn((1, num_frames, channels), generator=generator, dtype=torch.float32)


def turn_noise(noise: Tensor, other: Tensor, variance: float) -> Tensor:
    """`noise` turned towards `other`, both of one shape: as noisy as before, at a variance of 1 all `other`."""
    angle = variance * (math.pi / 2.0)
    return math.cos(angle) * noise + math.sin(angle) * other


@torch.no_grad()
def denoise(
    velocity: Velocity, noise: Tensor, sampling: Sampling, generator: torch.Generator, course: Course | None = None
) -> Iterator[Tensor]:
    """The latents after each step, from `noise` on the DiT's device in its dtype; the last are clean.

    The caller may stop between steps. `generator` (on the CPU) gives the noise of `sde`.
    """
    latents = noise
    # One scheduler a take: it counts its steps. Its schedule is ours, so its own shift stays 1.
    scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1, shift=1.0, stochastic_sampling=sampling.stochastic
    )
    scheduler.set_timesteps(sigmas=list(sampling.timesteps), device=latents.device)
    scheduler.set_begin_index(0)  # else a doubled first timestep would be looked up as its second
    momentum = MomentumBuffer(momentum=MOMENTUM)
    for step, (timestep, time) in enumerate(zip(scheduler.timesteps, sampling.timesteps, strict=True)):
        if course is not None and course.later is not None and step == course.switch:
            velocity = course.later
        predicted, began = _predict(velocity, latents, time, sampling, momentum), latents
        way = _average(velocity, latents, step, predicted, sampling) if step < sampling.averaged_steps else predicted
        latents = scheduler.step(way, timestep, latents, generator=generator, return_dict=False)[0]
        # The step's guess of the end follows from the velocity at its own start, also where it went along a mean.
        if sampling.dcw is not None:
            latents = apply_dcw(latents, began - predicted * time, time, sampling.dcw)
        if course is not None:
            latents = course.hold(latents, step)
        yield latents


def _predict(velocity: Velocity, latents: Tensor, time: float, sampling: Sampling, momentum: MomentumBuffer) -> Tensor:
    if sampling.guides(time):
        return _guide(velocity, latents, time, sampling.guidance_scale, momentum)
    return velocity(latents, time)


def _average(velocity: Velocity, latents: Tensor, step: int, predicted: Tensor, sampling: Sampling) -> Tensor:
    """The mean of the velocity predicted where a step begins and of that where it would lead."""
    time, goal = (*sampling.timesteps, 0.0)[step : step + 2]
    reached = latents - predicted * (time - goal)
    if not sampling.guides(goal):
        return 0.5 * (predicted + velocity(reached, goal))
    # Guided plainly there: the momentum of the adaptive guidance moves once a step.
    conditional, unconditional = velocity(torch.cat([reached, reached]), goal).chunk(2)
    return 0.5 * (predicted + (unconditional + sampling.guidance_scale * (conditional - unconditional)))


def _guide(velocity: Velocity, latents: Tensor, time: float, scale: float, momentum: MomentumBuffer) -> Tensor:
    """Adaptive projected guidance; both branches in one forward."""
    conditional, unconditional = velocity(torch.cat([latents, latents]), time).chunk(2)
    return guided(conditional, unconditional, scale, momentum)


def guided(conditional: Tensor, unconditional: Tensor, scale: float, momentum: MomentumBuffer) -> Tensor:
    """Adaptive projected guidance over time, channel by channel."""
    pulled: Tensor = normalized_guidance(
        pred_cond=conditional,
        pred_uncond=unconditional,
        guidance_scale=scale - 1.0,
        momentum_buffer=momentum,
        eta=0.0,
        norm_threshold=NORM_THRESHOLD,
        use_original_formulation=True,
        norm_dim=(1,),
    )
    return pulled
