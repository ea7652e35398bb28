"""How the denoising loop asks the DiT: latents and a time go in, a velocity comes out; conditions are bound before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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
