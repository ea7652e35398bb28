"""What a take's key holds of its settings -> what the recipe tells in place of the spec's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renderer.models.ace_step.protocol.requests import LatentsRequest
from renderer.plan.keys import neutral

if TYPE_CHECKING:
    from collections.abc import Mapping

_AS_ASKED = frozenset({"vocal_language", "max_duration", "preview", "timesteps", "use_cot_caption", "use_cot_language"})
"""What stands elsewhere in a recipe, or is asked of the LM, too: the recipe tells it as the spec has it."""


def effective(latents: Mapping[str, Any]) -> dict[str, Any]:
    """What the key holds in place of settings that a checkpoint overrules: equal keys have equal recipes."""
    return {
        "inference_steps": latents["steps"],
        # These are called in a request as in a spec; what has no effect stands at its neutral value there.
        **{name: latents[name] for name in neutral(LatentsRequest) if name not in _AS_ASKED},
    }
