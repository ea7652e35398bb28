"""The DiT as the denoising loop sees it: latents and a time to a velocity, conditions bound before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.models.ace_step.protocol.alignment_heads import Heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What one take's DiT attends to, on the device in the DiT's dtype."""

    encoded: Tensor
    """[1, tokens, width]: lyrics, timbre, text."""
    null: Tensor
    """[1, 1, width]: stands for all of `encoded` in guidance's unconditional row."""
    context: Tensor
    """[1, frames, 2 · channels]: what to play, and where (ones)."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them."""
        return (self.encoded, self.null, self.context)


class Velocity(Protocol):
    """The DiT with one take's conditions."""

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        """Velocities like `latents` [rows, frames, channels].

        One row has the conditions; of two, the second has the null condition.
        """


class ResidentDit(Protocol):
    """A resident DiT, whichever way it computes."""

    def velocity(self, conditions: Conditions) -> Velocity:
        """The DiT for one take; what doesn't change from step to step is made now."""

    def attention(
        self, conditions: Conditions, latents: Tensor, timestep: float, heads: Heads, tokens: slice
    ) -> Tensor:
        """Float32 [heads, tokens, patches]: how much patches of `latents` attend to these of the condition tokens.

        Layers behind the last one of `heads` don't run, and nothing is made of the other heads.
        """
