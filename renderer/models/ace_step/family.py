"""What the family of ACE-Step 1.5 answers, each by the module that knows; no torch before a part is loaded."""

# Each method imports what it asks: help texts and tables need none of it, and the modules read this family's own table.
# What they answer is told in `models/family.py`.
# ruff: noqa: PLC0415, D102

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from renderer.errors import ModelError
    from renderer.models.catalog.zoo import ModelFacts
    from renderer.models.family import (
        Alternative,
        Given,
        ModelFiles,
        PartLoader,
        PartSpec,
        PlannedModel,
        PromptText,
        ReadFile,
        Settings,
        StageSpec,
        TakeRequests,
    )
    from renderer.models.memory import Need
    from renderer.plan.jobs import TakePlan
    from renderer.song import Song, Take, Variant
    from renderer.store.store import Store
    from renderer.store.takes import Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class AceStep:
    """The family, with its table."""

    name: str = "ace_step"
    stages: Mapping[str, StageSpec]
    parts: Mapping[str, PartSpec]

    def loader(self) -> PartLoader:
        from renderer.models.ace_step.parts import AceStepLoader

        return AceStepLoader()

    def knows(self, model: str) -> bool:
        from renderer.models.catalog import zoo

        return zoo.is_known(model)

    def plan_model(self, variant: Variant, settings: Settings) -> PlannedModel:
        from renderer.models.ace_step.planned import plan_model

        return plan_model(variant, settings)

    def take_requests(self, take: Take, model: PlannedModel, preview: float | None) -> TakeRequests:
        from renderer.models.ace_step.planned import take_requests

        return take_requests(self.stages, take, model, preview)

    def named(self, take: Take, model: PlannedModel, given: Mapping[str, Given]) -> Mapping[str, object]:
        from renderer.models.ace_step.planned import named

        return named(take, model, given)

    def effective(self, requests: Requests) -> Mapping[str, object]:
        from renderer.models.ace_step.protocol.effective import effective

        return effective(requests)

    def refuse_unfit(self, files: ModelFiles, stages: Collection[str]) -> None:
        from renderer.models.ace_step.planned import refuse_unread_codes

        refuse_unread_codes(files, stages)

    def files_of(self, part: str, files: ModelFiles) -> tuple[ReadFile, ...]:
        from renderer.models.ace_step.checkpoints.reads import files_of

        return files_of(part, files)

    def context_files(self, part: str, files: ModelFiles) -> tuple[ReadFile, ...]:
        from renderer.models.ace_step.checkpoints.reads import context_files

        return context_files(part, files)

    def look(self, part: str, files: ModelFiles) -> tuple[ModelError, ...]:
        from renderer.models.ace_step.checkpoints.look import look

        return look(part, files)

    def files_in(self, folder: Path) -> tuple[ReadFile, ...]:
        from renderer.models.ace_step.checkpoints.reads import files_in

        return files_in(folder)

    def parameters(self, part: str, files: ModelFiles) -> Mapping[str, int]:
        from renderer.models.ace_step.needs import parameters

        return parameters(files, part)

    def num_parameters(self, folder: Path) -> int:
        from renderer.models.ace_step.needs import num_parameters

        return num_parameters(folder)

    def need(self, part: str, files: ModelFiles, settings: Settings, seconds: float) -> Need:
        from renderer.models.ace_step.needs import need

        return need(part, files, settings, seconds)

    def smaller(self, part: str, settings: Settings, seconds: float) -> Iterator[Alternative]:
        from renderer.models.ace_step.needs import smaller

        return smaller(part, settings, seconds)

    def prompts(self, plan: TakePlan, facts: ModelFacts, store: Store, preview: float | None) -> tuple[PromptText, ...]:
        from renderer.models.ace_step.protocol.prompt_preview import prompts

        return prompts(plan, facts, store, preview)

    def cut_off(
        self, plan: TakePlan, facts: ModelFacts, store: Store, preview: float | None
    ) -> Iterator[tuple[str, int, int]]:
        from renderer.models.ace_step.protocol.prompt_preview import cut_off

        return cut_off(plan, facts, store, preview)

    def count_prompts(self, song: Song) -> tuple[int, int] | None:
        from renderer.models.ace_step.protocol.prompt_tokens import count_prompts

        return count_prompts(song)
