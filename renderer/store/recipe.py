"""Recipe: what made a take, as its record, its tags and the TOML beside it hold it."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from renderer.artifacts import CotMetas

RECIPE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Only what the take's keys hold, plus versions: equal takes have equal recipes, whenever and wherever made."""

    recipe: int = RECIPE_VERSION
    take: str = ""
    # As its version wrote it: what it doesn't tell wasn't there then, and today's defaults may be others.
    spec: Mapping[str, Any] = field(default_factory=dict)
    """All that was asked, in the shape of a spec file."""
    decided: CotMetas | None = None
    """By the LM; None without chain of thought."""
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    """Those that change bytes and stand in no spec: dtypes, tiles, slots."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Stage -> key."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Part -> digest."""
    versions: Mapping[str, str] = field(default_factory=dict)
    degraded: tuple[str, ...] | None = None
    """How the take had to be made with less than was asked."""
    cut: tuple[str, ...] | None = None
    """Which of its texts the DiT didn't hear to their end."""
    pinned: Mapping[str, object] | None = None
    """The codes that the spec's file brought along: the audio must not depend on it."""
    edit: Mapping[str, object] | None = None
    """Of a take made from another, or from a file: how, by ACE-Step's names."""
    chain: tuple[Mapping[str, object], ...] | None = None
    """The take that it was made from, the one that was made from, and so on: each with its name, its spec, its edit."""
    others: Mapping[str, object] = field(default_factory=dict)
