"""A morph: the source's latents moved along what changes when another text describes them.

Source: ace-step/ACE-Step-1.5, acestep/models/common/flow_edit.py, whose arithmetic this repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer

from renderer.models import device as devices
from renderer.models.ace_step.dit.denoise import MOMENTUM, guided, initial_noise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from renderer.models.ace_step.dit.denoise import Sampling
    from renderer.models.ace_step.dit.prepare_edit import PreparedEdit
    from renderer.models.ace_step.dit.velocity import Conditions, ResidentDit, Velocity
    from renderer.models.ace_step.protocol.requests import EditRequest


def first_step(request: EditRequest, sampling: Sampling) -> int:
    """The first that isn't left out."""
    return int(len(sampling.timesteps) * request.flow_edit_n_min)


@torch.no_grad()
def morph(
    dit: ResidentDit, conditions: Conditions, edit: PreparedEdit, sampling: Sampling, generator: torch.Generator
) -> Iterator[Tensor]:
    """The latents after each step that isn't left out; `conditions` are the new text's, `edit.other` the source's."""
    source, request, other = edit.source, edit.request, edit.other or conditions
    times = (*sampling.timesteps, 0.0)
    last_moved = int(len(sampling.timesteps) * request.flow_edit_n_max)
    old, new = (_Branch(velocity=dit.velocity(one), sampling=sampling) for one in (other, conditions))
    moved, running = source, None
    for step in range(first_step(request, sampling), len(sampling.timesteps)):
        time, goal = times[step : step + 2]
        if step < last_moved:
            draws = [_noised(source, time, generator) for _ in range(request.flow_edit_n_avg)]
            new_way = new.mean([moved + noised - source for noised in draws], time)
            moved = moved + (goal - time) * (new_way - old.mean(draws, time))
            yield moved
            continue
        if running is None:
            running = moved + _noised(source, time, generator) - source
        running = running + (goal - time) * new.mean([running], time)
        yield running


def _noised(source: Tensor, time: float, generator: torch.Generator) -> Tensor:
    drawn = devices.to_device(initial_noise(source.shape[1], source.shape[2], generator), source.device)
    return (1.0 - time) * source + time * drawn.to(source.dtype)


@dataclass(slots=True, kw_only=True)
class _Branch:
    """One of the two texts: its velocity, and the momentum of its own guidance."""

    velocity: Velocity
    sampling: Sampling
    average: Tensor | float = 0.0
    """The momentum, as it stands between steps."""

    def mean(self, positions: list[Tensor], time: float) -> Tensor:
        """The mean of the guided velocities; every draw starts from the same momentum, which moves once a step."""
        if not self.sampling.guides(time):
            return _mean([self.velocity(position, time) for position in positions])
        ways, pulls = [], []
        for position in positions:
            conditional, unconditional = self.velocity(torch.cat([position, position]), time).chunk(2)
            pulls.append(conditional - unconditional)
            ways.append(guided(conditional, unconditional, self.sampling.guidance_scale, self._momentum()))
        after = self._momentum()
        after.update(_mean(pulls))
        self.average = after.running_average
        return _mean(ways)

    def _momentum(self) -> MomentumBuffer:
        buffer = MomentumBuffer(momentum=MOMENTUM)
        buffer.running_average = self.average
        return buffer


def _mean(tensors: list[Tensor]) -> Tensor:
    return torch.stack(tensors).sum(dim=0) / len(tensors)
