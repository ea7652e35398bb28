"""The TOML beside a take's audio: recipe, prompts as sent, and what only that run knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renderer.takes.provenance import prompts_as_sent, said
from renderer.takes.recipe import recipe_toml

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_sidecar(
    take: str, recipe: Mapping[str, Any], notes: Mapping[str, Any], environment: Mapping[str, Any], made: str
) -> bytes:
    """The sidecar of the take of that name; `notes` by stage, `made` is when, in ISO 8601."""
    table = {
        "at": made,
        "take": take,
        **{name: value for name, value in environment.items() if name != "versions"},
        "seconds": {stage: noted["seconds"] for stage, noted in notes.items() if "seconds" in noted},
        "noted": {stage: said(noted) for stage, noted in notes.items()},
    }
    return recipe_toml(recipe, prompts=prompts_as_sent(notes), made=table).encode()
