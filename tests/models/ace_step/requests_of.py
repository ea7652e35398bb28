"""A take -> what the stages of ACE-Step's table are asked. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renderer.models.ace_step.protocol.stage_requests import take_context
from renderer.models.ace_step.stages import FAMILY
from renderer.models.family import ask_stages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.catalog.zoo import ModelFacts
    from renderer.song import Take


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What the stages of one take are asked, by their names; None of those that don't run."""

    by_stage: Mapping[str, Any]

    def __getattr__(self, stage: str) -> Any:
        if stage not in FAMILY.stages:
            raise AttributeError(stage)
        return self.by_stage.get(stage)


def requests_of(take: Take, facts: ModelFacts, preview: float | None) -> Requests:
    return Requests(by_stage=ask_stages(FAMILY.stages, take_context(take, facts, preview)))
