"""What a take's key holds of its settings -> what the recipe tells in place of the spec's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.models.ace_step.protocol.names import LATENTS
from renderer.settings import DitSettings, rows

if TYPE_CHECKING:
    from renderer.store.takes import Requests


def effective(requests: Requests) -> dict[str, object]:
    """The DiT's settings as its key holds them, where a checkpoint may overrule the spec's: equal keys, equal recipes.

    Own `timesteps` are told as the spec has them.
    """
    latents = requests[LATENTS]
    return {name: latents[name] for name in rows(DitSettings) if name != "timesteps"}
