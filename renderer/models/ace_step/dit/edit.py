"""An edit through the DiT: window after window, what is around each put back while it is made, and blended behind.

Source: ace-step/ACE-Step-1.5, acestep/core/generation/handler/repaint_step_injection.py and acestep/models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from renderer.models import device as devices
from renderer.models.ace_step.dit.denoise import Course, denoise, initial_noise
from renderer.models.ace_step.dit.morph import first_step, morph
from renderer.models.ace_step.protocol.edit_requests import blend_frames, caution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from renderer.models.ace_step.dit.denoise import Sampling
    from renderer.models.ace_step.dit.prepare_edit import PreparedEdit
    from renderer.models.ace_step.dit.velocity import Conditions, ResidentDit
    from renderer.models.ace_step.protocol.requests import EditRequest


def edit_steps(
    dit: ResidentDit,
    conditions: Conditions,
    edit: PreparedEdit,
    noise: Tensor,
    sampling: Sampling,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """The latents after each step of each pass, the last of a pass blended into its source; the last ones are clean."""
    if edit.request.task == "morph":
        yield from morph(dit, conditions, edit, sampling, generator)
        return
    sampling = _sampling(edit.request, sampling)
    for number, window in enumerate(edit.windows or (None,)):
        if number:
            # A pass of its own noise: the first one's would make the same again where windows overlap.
            drawn = initial_noise(noise.shape[1], noise.shape[2], generator)
            noise = devices.to_device(drawn, noise.device).to(noise.dtype)
        step = _Pass(edit=edit, window=window, noise=noise, sampling=sampling)
        for latents in step.run(dit, conditions, generator):
            yield latents
        edit = replace(edit, source=latents)


def num_edit_steps(edit: PreparedEdit, sampling: Sampling) -> int:
    """Of all passes."""
    if edit.request.task == "morph":
        return len(sampling.timesteps) - first_step(edit.request, sampling)
    return len(_sampling(edit.request, sampling).timesteps) * max(1, len(edit.windows))


def held_steps(edit: PreparedEdit, sampling: Sampling) -> int:
    """In how many steps of a pass what is around the window is put back."""
    return round(caution(edit.request) * len(_sampling(edit.request, sampling).timesteps))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """One window, or the whole source."""

    edit: PreparedEdit
    window: tuple[int, int] | None
    noise: Tensor
    sampling: Sampling

    def run(self, dit: ResidentDit, conditions: Conditions, generator: torch.Generator) -> Iterator[Tensor]:
        """The latents after each step."""
        edit, noise, sampling = self.edit, self.noise, self.sampling
        bound, source = self._conditions(conditions)
        if edit.request.cover_noise_strength > 0.0:
            time = sampling.timesteps[0]
            noise = time * noise + (1.0 - time) * source
        with torch.no_grad():
            velocity = dit.velocity(bound)
            later = dit.velocity(self._without_source(edit.other, bound)) if edit.other else None
        course = Course(
            later=later,
            switch=int(len(sampling.timesteps) * edit.request.audio_cover_strength),
            hold=self._hold,
        )
        yield from denoise(velocity, noise, sampling, generator, course)

    def _conditions(self, conditions: Conditions) -> tuple[Conditions, Tensor]:
        """What is followed, with the window, and the source as noise may begin from it."""
        if self.window is None:
            return conditions, self.edit.source
        start, end = self.window
        source = self.edit.source.clone()
        if self.edit.request.task == "repaint":
            source[:, start:end] = self.edit.silence[:, start:end]
        mask = torch.ones_like(source)
        if self.edit.request.chunk_mask_mode == "explicit":
            mask = mask * self._inside[None, :, None].to(mask.dtype)
        return replace(conditions, context=torch.cat([source, mask], dim=-1)), source

    def _without_source(self, other: Conditions, bound: Conditions) -> Conditions:
        """The same window, and nothing to follow in it or around it."""
        channels = self.edit.silence.shape[2]
        return replace(other, context=torch.cat([self.edit.silence, bound.context[..., channels:]], dim=-1))

    @property
    def _inside(self) -> Tensor:
        """Bool [frames]."""
        frames = torch.arange(self.edit.source.shape[1], device=self.edit.source.device)
        start, end = self.window or (0, len(frames))
        return (frames >= start) & (frames < end)

    def _hold(self, latents: Tensor, step: int) -> Tensor:
        if self.window is None:
            return latents
        times, last = (*self.sampling.timesteps, 0.0), len(self.sampling.timesteps) - 1
        held = round(caution(self.edit.request) * len(self.sampling.timesteps))
        if step < held and (step < last or self.sampling.last_is_held):
            noised = times[step + 1] * self.noise + (1.0 - times[step + 1]) * self.edit.source
            latents = torch.where(self._inside[None, :, None], latents, noised)
        return self._blend(latents) if step == last else latents

    def _blend(self, latents: Tensor) -> Tensor:
        width = blend_frames(self.edit.request)
        if not width or self.window is None:
            return latents
        soft = ramp(latents.shape[1], self.window, width).to(latents)[None, :, None]
        return soft * latents + (1.0 - soft) * self.edit.source


def ramp(length: int, window: tuple[int, int], width: int) -> Tensor:
    """float32 [length]: 1 in the window, a line down to 0 outside of either edge; none where that is the song's end."""
    start, end = window
    first, last = max(0, start - width), min(length, end + width)
    soft = torch.zeros(length)
    soft[start:end] = 1.0
    soft[first:start] = torch.linspace(0.0, 1.0, start - first + 2)[1:-1]
    soft[end:last] = torch.linspace(1.0, 0.0, last - end + 2)[1:-1]
    return soft


def _sampling(request: EditRequest, sampling: Sampling) -> Sampling:
    """Without the steps before the noise that begins near the source."""
    if not request.cover_noise_strength:
        return sampling
    wanted = 1.0 - request.cover_noise_strength
    times = sampling.timesteps
    return sampling.from_step(min(range(len(times)), key=lambda step: abs(times[step] - wanted)))
