"""Job, TakePlan, Group, Plan: what will run, in which order, for which takes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from renderer.models.family import PART_OF, Part, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.family import ModelFiles
    from renderer.requests import StageRequest
    from renderer.song import Take

COMPONENTS: Mapping[Part, tuple[str, ...]] = {
    Part.LM: ("lm",),
    Part.DIT: ("text_encoder", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "dit"),
    Part.VAE: ("vae",),
}
"""What is read from disk when a part is loaded."""

_TOLD_LENGTH = 24


class Why(StrEnum):
    """Why a take runs, or doesn't."""

    DONE = "done"
    RESTORED = "restored"
    """An earlier version is asked for again; its file only moves back."""
    NEW = "new"
    CHANGED = "changed"
    FORCED = "forced"
    MISSING = "missing"
    """Its audio was moved, deleted or altered."""
    FAILED = "failed"
    """It failed last time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that differs from the version on disk."""

    stage: str
    name: str
    """`shift`, `seed`, `weights`, …"""
    old: Any
    new: Any

    @property
    def told(self) -> str:
        """`shift 3.0 → 2.0`, texts and digests cut to their beginnings."""
        return f"{self.name} {_short(self.old)} → {_short(self.new)}"


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _TOLD_LENGTH and "\n" not in text else f"{text.strip().splitlines()[0][:_TOLD_LENGTH]}…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One stage of one take, or of several that share it."""

    stage: Stage
    key: str
    request: StageRequest
    settings: Mapping[str, Any]
    """Weights, dtype and what else enters the key beside the request."""
    upstream: Mapping[Stage, str]
    """The keys of what it builds on."""
    files: ModelFiles
    takes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakePlan:
    """One take: its keys, its file, whether it runs and why."""

    take: Take
    name: str
    """The take's name; `.preview20` behind a preview."""
    file: str
    """The audio's path below the outputs folder."""
    key: str
    keys: Mapping[Stage, str]
    files: ModelFiles
    requests: Mapping[str, Any]
    """Stage -> request and settings as JSON, for records and for telling what changed."""
    why: Why
    changes: tuple[Change, ...] = ()
    runs: tuple[Stage, ...] = ()
    """The stages that run for it; empty when it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The jobs that share one load of one part."""

    part: Part
    files: ModelFiles
    jobs: tuple[Job, ...]

    def of(self, stage: Stage) -> tuple[Job, ...]:
        """The group's jobs of one stage."""
        return tuple(job for job in self.jobs if job.stage is stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole batch: language model first, then DiT, then VAE."""

    takes: tuple[TakePlan, ...]
    groups: tuple[Group, ...]

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every job, in running order."""
        return tuple(job for group in self.groups for job in group.jobs)

    @property
    def running(self) -> tuple[TakePlan, ...]:
        """The takes with something to run."""
        return tuple(take for take in self.takes if take.why not in (Why.DONE, Why.RESTORED))

    def loads(self) -> dict[str, int]:
        """Component -> how often this plan reads it."""
        counts: dict[str, int] = {}
        for group in self.groups:
            for component in COMPONENTS[group.part]:
                counts[component] = counts.get(component, 0) + 1
        return counts

    def loads_song_by_song(self) -> dict[str, int]:
        """Component -> how often rendering take after take would read it."""
        counts: dict[str, int] = {}
        for take in self.running:
            for part in dict.fromkeys(PART_OF[stage] for stage in take.runs):
                for component in COMPONENTS[part]:
                    counts[component] = counts.get(component, 0) + 1
        return counts
