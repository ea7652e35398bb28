"""How the denoising loop asks the DiT: latents and a time go in, a velocity comes out; conditions are bound before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What one take's DiT hears, on the device in the DiT's dtype."""

    encoded: Tensor
    """[1, tokens, width]: lyrics, timbre, text."""
    null: Tensor
    """[1, 1, width]: stands for all of `encoded` where guidance looks away."""
    context: Tensor
    """[1, frames, 2 · channels]: what to play, and where (ones)."""


class Velocity(Protocol):
    """The DiT with one take's conditions."""

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        """Velocities like `latents` [rows, frames, channels].

        One row hears the conditions; of two, the second hears the null condition.
        """


class Dit(Protocol):
    """A resident DiT, whichever way it computes."""

    def velocity(self, conditions: Conditions) -> Velocity:
        """The DiT for one take; what doesn't change from step to step is made now."""


@dataclass(frozen=True, slots=True)
class PlainDit:
    """diffusers' transformer as it stands: the same bits as in its pipeline."""

    transformer: Any

    def velocity(self, conditions: Conditions) -> Velocity:
        """The DiT for one take."""
        return _Plain(self.transformer, conditions)


class _Plain:
    def __init__(self, transformer: Any, conditions: Conditions) -> None:
        self._transformer, self._context = transformer, conditions.context
        self._encoded = {1: conditions.encoded}
        self._null = conditions.null

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        rows = latents.shape[0]
        time = timestep * torch.ones((rows,), device=latents.device, dtype=latents.dtype)
        velocity: Tensor = self._transformer(
            hidden_states=latents,
            timestep=time,
            timestep_r=time,
            encoder_hidden_states=self._heard(rows),
            context_latents=torch.cat([self._context] * rows),
            return_dict=False,
        )[0]
        return velocity

    def _heard(self, rows: int) -> Tensor:
        if rows not in self._encoded:
            encoded = self._encoded[1]
            self._encoded[rows] = torch.cat([encoded, self._null.expand_as(encoded)])
        return self._encoded[rows]
