"""What the stages noted of a take -> what recipe, sidecar and page tell of it. Knows no files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renderer.models.ace_step.protocol.requests import LatentsRequest
from renderer.plan.keys import neutral

if TYPE_CHECKING:
    from collections.abc import Mapping


def prompts_as_sent(notes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """`latents_text_prompt` -> text: every prompt that the stages noted."""
    return {
        f"{stage}_{name}": value
        for stage, noted in notes.items()
        for name, value in noted.items()
        if _is_prompt(name) and value is not None
    }


def _is_prompt(name: str) -> bool:
    return name.endswith("prompt")


def said(noted: Mapping[str, Any]) -> dict[str, Any]:
    """What a stage noted beside prompts and time: metas and who said them, counts, time steps."""
    return {name: value for name, value in noted.items() if not _is_prompt(name) and name != "seconds"}


_AS_ASKED = frozenset({"vocal_language", "max_duration", "preview", "timesteps", "use_cot_caption", "use_cot_language"})
"""What stands elsewhere in a recipe, or is asked of the LM, too: the recipe tells it as the spec has it."""


def effective(latents: Mapping[str, Any]) -> dict[str, Any]:
    """What the key holds in place of settings that a checkpoint overrules: equal keys have equal recipes."""
    return {
        "inference_steps": latents["steps"],
        # These are called in a request as in a spec; what has no effect stands at its neutral value there.
        **{name: latents[name] for name in neutral(LatentsRequest) if name not in _AS_ASKED},
    }


def degradations(notes: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """How a take's stages had to do with less than asked, in words: `tiles 256 instead of 512`."""
    return tuple(note for noted in notes.values() for note in noted.get("degraded", ()))


def cuts(notes: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Which texts of a take the DiT didn't hear to their end, in words."""
    return tuple(notes.get("latents", {}).get("cut", ()))


def left_out(notes: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What of the checkpoint wasn't read, in words."""
    return tuple(notes.get("latents", {}).get("left_out", ()))


def remarks(notes: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What whoever renders a take is told of it."""
    return (*degradations(notes), *cuts(notes), *left_out(notes))
