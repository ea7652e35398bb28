"""What a take's stages are asked, and what stands in place of their results. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    from renderer.artifacts import Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedResult:
    """What a spec brings along in place of a stage's result."""

    key: str
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStage:
    """A stage of a take, as another take names it."""

    take: str
    """The take's name."""
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRequests:
    """What the stages of one take are asked."""

    stages: Mapping[str, DataclassInstance]
    """Stage -> request, of those that run at all, in their order."""
    preview: float | None = None
    """Seconds after which it is cut; None renders it whole."""
    seconds: float
    """About how long its sound will be."""
    pinned: Mapping[str, PinnedResult] = field(default_factory=dict)
    """Stage -> what the spec brings along in its place."""
    idle: frozenset[str] = frozenset()
    """Those of `stages` that run only where another take builds on their results."""
    inputs: Mapping[str, Mapping[str, TakeStage]] = field(default_factory=dict)
    """Stage -> input's name -> the stage of another take whose result it builds on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptText:
    """One text as a model is sent it."""

    stage: str
    name: str
    """`prompt`, `negative prompt`, `text prompt`, `lyric prompt`."""
    text: str
    num_tokens: int | None
    """None where the tokenizer isn't on disk, or the text isn't decided."""
    max_tokens: int | None = None
    """What comes after is cut off."""
