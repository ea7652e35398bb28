"""The TOML beside a take's audio: recipe, prompts as sent, and what only that run knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.json_values import to_json
from renderer.takes.recipe import recipe_toml

if TYPE_CHECKING:
    from renderer.provenance import Provenance
    from renderer.store.recipe import Recipe


def make_sidecar(take: str, recipe: Recipe, provenance: Provenance, made: str) -> bytes:
    """The sidecar of the take of that name; `made` is when, in ISO 8601."""
    table = {
        "at": made,
        "take": take,
        **{name: value for name, value in to_json(provenance.environment).items() if name != "versions"},
        "seconds": provenance.seconds,
        "noted": provenance.details,
    }
    return recipe_toml(recipe, prompts=provenance.prompts, made=table).encode()
