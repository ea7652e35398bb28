"""Job, TakePlan, Group, Plan: what will run, in which order, for which takes, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from renderer.json_values import to_json
from renderer.models.family import family, part_of, stage_of
from renderer.plan.differing import differing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from _typeshed import DataclassInstance

    from renderer.artifacts import Artifact
    from renderer.models.family import Family
    from renderer.models.model_files import ModelFiles
    from renderer.models.numerics import Numerics
    from renderer.models.stage_spec import StageSpec
    from renderer.plan.picking import PlanPick
    from renderer.provenance import Environment
    from renderer.song import Take
    from renderer.store.takes import Requests


class Why(StrEnum):
    """Why a take runs, or doesn't."""

    DONE = "done"
    RESTORED = "restored"
    """An earlier version is asked for again; its file only moves back."""
    TAGS = "tags"
    """Only what its tags tell has changed: they are written anew, the sound stays."""
    NEW = "new"
    CHANGED = "changed"
    FORCED = "forced"
    MISSING = "missing"
    """Its audio was moved, deleted or altered."""
    FAILED = "failed"
    """It failed last time."""
    NOT_PICKED = "not picked"
    """Its plan is there, and others of its song scored better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that differs from the version on disk."""

    stage: str
    """The first one it changes."""
    name: str
    """As the spec has it: `shift`, `lm_top_p`, `weights of latents`, …"""
    old: Any
    new: Any
    place: str = ""
    """Where it is set: `[inference]`, `[variants.wide]`, `--dtype`, …; empty for what no one sets by hand."""
    words: str = ""
    """What is told in place of the values, where those say nothing to a user."""

    @property
    def text(self) -> str:
        """`shift 3.0 → 2.0`; of long texts the words that differ, as `differing` has them."""
        if self.words:
            return self.words
        return f"{self.name} {differing(self.old, self.new)}"

    @property
    def text_with_place(self) -> str:
        """`shift 3.0 → 2.0 in [inference]`."""
        return f"{self.text} in {self.place}" if self.place else self.text

    @property
    def as_json(self) -> dict[str, object]:
        """For programs: the values, and what people are told of them."""
        return {
            "stage": self.stage,
            "name": self.name,
            "old": self.old,
            "new": self.new,
            "place": self.place,
            "told": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """What enters a job's key beside its request."""

    weights: str
    """The fingerprint of its part's."""
    numerics: Numerics
    sizes: Mapping[str, int]
    """Slots, tiles and what else of a run's settings changes the part's bytes."""

    @property
    def as_json(self) -> dict[str, object]:
        """For keys and records."""
        return {"weights": self.weights, "numerics": _numerics_json(self.numerics), **self.sizes}


@cache
def _numerics_json(numerics: Numerics) -> Mapping[str, object]:
    """Made once for the thousand takes of a run, and kept once with them."""
    return to_json(numerics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What a job builds on: a stage's result, of its own take or of another."""

    stage: str
    key: str
    take: str | None = None
    """The other take; None for a result of the job's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One stage of one take, or of several that share it."""

    spec: StageSpec
    key: str
    request: DataclassInstance
    settings: JobSettings
    inputs: Mapping[str, Input]
    """By the names under which its stage takes them, in their order."""
    files: ModelFiles
    takes: tuple[str, ...]
    picks: tuple[PlanPick, ...] = ()
    """It runs only for takes that one of these chooses, once their plans are scored; empty where it runs anyway."""

    @property
    def waits_for(self) -> Sequence[str]:
        """Keys of the jobs that are over before it runs: what it builds on, and the scores that choose its takes."""
        # No set: it is asked of thousands of jobs while a worker waits.
        inputs = [one.key for one in self.inputs.values()]
        return [*inputs, *(key for pick in self.picks for key in pick.scores.values())] if self.picks else inputs

    @property
    def upstream(self) -> Mapping[str, str]:
        """The keys of what it builds on, by the inputs' names."""
        return {name: one.key for name, one in self.inputs.items()}

    @property
    def stage(self) -> str:
        """The stage's name."""
        return self.spec.name

    @property
    def part(self) -> str:
        """The part that runs it."""
        return self.spec.part

    @property
    def asked_seconds(self) -> float:
        """Seconds of the longest song that the request can lead to; 0 where it doesn't say."""
        return self.spec.cost.seconds(self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakePlan:
    """One take: its keys, its file, whether it runs and why."""

    take: Take
    name: str
    """The take's name; `.preview20` behind a preview."""
    file: str
    """The audio's path below the outputs folder."""
    key: str
    keys: Mapping[str, str]
    files: ModelFiles
    requests: Requests
    """Stage -> request and settings as JSON, for records and for telling what changed."""
    why: Why
    preview: float | None = None
    """Seconds after which it is cut; None for the whole take."""
    seconds: float = 0.0
    """About how long its sound will be."""
    pinned: Mapping[str, Artifact] = field(default_factory=dict)
    """Key -> what the spec brings along instead of asking the LM: pinned codes and their chain of thought."""
    changes: tuple[Change, ...] = ()
    made_in: Environment | None = None
    """Of the version on disk; None when there is none."""
    runs: tuple[str, ...] = ()
    """The stages that run for it; empty when it is done."""
    if_picked: tuple[str, ...] = ()
    """Those of them that run only if its plan scores well enough."""
    builds_on: tuple[str, ...] = ()
    """Keys of what its stages take from other takes."""
    lacks: tuple[str, ...] = ()
    """The stages whose results it wants beside its sound, and that aren't there; it can be done all the same."""

    @property
    def runs_text(self) -> str:
        """`cot → codes → plan_score, if picked latents → waveform`; empty when nothing runs."""
        sure = " → ".join(stage for stage in self.runs if stage not in self.if_picked)
        return ", if picked ".join(filter(None, (sure, " → ".join(self.if_picked))))

    @property
    def pick_group(self) -> tuple[str, ...]:
        """Its song and variant, where not all takes of these are finished; empty for any other take."""
        song, variant = self.take.song, self.take.variant
        return (song.name, variant.name) if song.pick_in(variant) is not None else ()

    @property
    def family(self) -> Family:
        """The one that it renders with."""
        return family(self.files.family)

    @property
    def sound(self) -> str:
        """The stage that gives its sound."""
        return next(spec.name for spec in self.family.stages.values() if spec.gives_sound)

    @property
    def has_sound(self) -> bool:
        """Whether its sound is on disk, whatever its name and tags are to become."""
        return self.why in (Why.DONE, Why.RESTORED, Why.TAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The jobs that share one load of one part."""

    part: str
    files: ModelFiles
    jobs: tuple[Job, ...]

    @property
    def batches(self) -> Iterator[tuple[Job, ...]]:
        """Jobs of one stage each, in running order, of which none builds on another of its batch."""
        batch: list[Job] = []
        keys: set[str] = set()
        for job in self.jobs:
            if batch and (job.stage != batch[0].stage or not keys.isdisjoint(job.upstream.values())):
                yield tuple(batch)
                batch, keys = [], set()
            batch.append(job)
            keys.add(job.key)
        if batch:
            yield tuple(batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole batch: language model first, then DiT, then VAE."""

    takes: tuple[TakePlan, ...]
    groups: tuple[Group, ...]
    picks: tuple[PlanPick, ...] = ()
    """What is decided only while it runs."""

    @property
    def as_if_picked(self) -> Plan:
        """As much as will run: with the first takes in place of those that scores are going to pick."""
        if not self.picks:
            return self
        chosen = frozenset[str]().union(*(pick.stand_ins for pick in self.picks))
        groups = (
            replace(group, jobs=tuple(job for job in group.jobs if not job.picks or not chosen.isdisjoint(job.takes)))
            for group in self.groups
        )
        takes = (
            replace(
                take, runs=tuple(stage for stage in take.runs if stage not in take.if_picked or take.name in chosen)
            )
            for take in self.takes
        )
        return replace(self, takes=tuple(takes), groups=tuple(group for group in groups if group.jobs), picks=())

    @property
    def as_if_all(self) -> Plan:
        """As if every take were finished, and so none scored: what picking is to be compared with."""
        scores = {key for pick in self.picks for key in pick.scores.values()}
        groups = (
            replace(group, jobs=tuple(replace(job, picks=()) for job in group.jobs if job.key not in scores))
            for group in self.groups
        )
        return replace(self, groups=tuple(group for group in groups if group.jobs), picks=())

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Every job, in running order."""
        return tuple(job for group in self.groups for job in group.jobs)

    @property
    def running(self) -> tuple[TakePlan, ...]:
        """The takes with something to run."""
        return tuple(take for take in self.takes if take.runs)

    @property
    def completed(self) -> tuple[TakePlan, ...]:
        """The takes whose sound is there, and that get what they lack beside it."""
        return tuple(take for take in self.running if take.has_sound)

    def components(self) -> dict[str, list[str]]:
        """Part -> what is read from disk when it is loaded, of every family that these takes render with."""
        families = dict.fromkeys(take.files.family for take in self.takes)
        return {part.name: list(part.components) for name in families for part in family(name).parts.values()}

    def loads(self) -> dict[str, int]:
        """Component -> how often this plan reads it."""
        counts: dict[str, int] = {}
        for group in self.groups:
            for component in part_of(group.files, group.part).components:
                counts[component] = counts.get(component, 0) + 1
        return counts

    def loads_song_by_song(self) -> dict[str, int]:
        """Component -> how often rendering take after take would read it."""
        counts: dict[str, int] = {}
        for take in self.running:
            for part in dict.fromkeys(stage_of(take.files, stage).part for stage in take.runs):
                for component in part_of(take.files, part).components:
                    counts[component] = counts.get(component, 0) + 1
        return counts
