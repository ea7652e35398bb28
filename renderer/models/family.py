"""The seam between planning, running and models: a family's table of stages and parts. Imports no torch.

A family is a row of `FAMILIES` in `spec/families.py`, or installed; whoever plans, stores, sends or tells of a stage
reads its row in the family's table.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from renderer.artifacts import Waveform
from renderer.errors import ModelError
from renderer.spec.families import FAMILIES, GROUP, family_named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from _typeshed import DataclassInstance

    from renderer.artifacts import Artifact
    from renderer.models.memory import Need
    from renderer.models.numerics import Numerics
    from renderer.plan.jobs import TakePlan
    from renderer.song import Song, Take, Variant
    from renderer.store.store import Store
    from renderer.store.takes import Requests

    Alternative = tuple[str, "Settings", float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerVersion:
    """How a stage was before its version was raised, for whoever has takes from then."""

    words: str
    """Completes "made again: …"."""
    explains: frozenset[str]
    """Fields of the stage that differ for this reason alone, and aren't told one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a stage's job takes, as its request tells before anything is made."""

    seconds: Callable[[Any], float]
    """Request -> seconds of the longest song it can lead to; 0 where it doesn't say."""
    units: Callable[[Any], float | None] = lambda _: None
    """Request -> units (`tokens`, `steps`, `tiles`) that a job takes; None where it doesn't say."""
    usual_units: float | None = None
    """What a job takes before any is done; None: the total that a job tells when it begins."""
    total_is_limit: bool = False
    """Whether the total that a job tells is no more than a limit, far beyond what most take."""
    bytes_per_second: float = 0.0
    """Of sound, that its result takes in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """A stage: one row of its family's table."""

    name: str
    """In keys, records, folders and on the screen: never changed, and no other family's artifacts bear it."""
    part: str
    """The part that runs it."""
    needs: Mapping[str, str] = field(default_factory=dict)
    """The name under which it reads a result -> the stage that gives it, where that runs at all."""
    ask: Callable[[Any], DataclassInstance | None]
    """What its family knows of a take -> its request; None where it doesn't run. Imports no torch."""
    runner: str
    """What runs it, as `module:function` or `module:class.method`, imported in the worker only: see `Runner`."""
    version: int
    """Raised by one when its code gives other bytes for the same request; what it was before is told in `former`."""
    former: Mapping[int, FormerVersion] = field(default_factory=dict)
    request: type[Any]
    """What it is asked: a frozen dataclass."""
    artifact: type[Artifact]
    """What it gives; a `Waveform` is the take's sound, which becomes an audio file and lies in no store."""
    cost: Cost
    named_by: tuple[str, ...] = ()
    """The keys of a spec that explain other weights of it."""
    told_in_tags: bool = False
    """Whether the audio's tags tell what it decided: it has to be there before there is audio."""

    @property
    def gives_sound(self) -> bool:
        """Whether its result is a take's sound."""
        return self.artifact is Waveform


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSpec:
    """What is resident together, for one or more stages: one row of its family's table."""

    name: str
    title: str
    """As its files are told of: `LM`, `DiT`, `VAE`."""
    activity: str
    """What is told while it runs: `language model`, `diffusion`, `decoding`."""
    lane: str
    """Its lane on the page: `language model`, `diffusion`, `decoder`."""
    components: tuple[str, ...]
    """What is read from disk when it is loaded, as the worker tells of it."""
    window: int
    """Jobs sent at once: those that wait in the worker hold their inputs in memory."""
    at_once: bool = False
    """Whether it works on many jobs at once, so that their number and rate are told instead of one job's name."""
    reads: Callable[[ModelFiles], tuple[object, ...]]
    """What of a set it is made from: sets that have it in common share the part."""
    agrees_with: tuple[str, ...] = ()
    """Parts whose files it is held against when it is loaded."""
    settings: Callable[[Settings], Mapping[str, int]] = lambda _: {}
    """What of a run's settings changes its stages' bytes, and so enters their keys."""
    if_too_large: str = "close other programs"
    """What to do where it doesn't fit into memory and nothing smaller does."""


class Residency(StrEnum):
    """What becomes of the other parts when one is loaded."""

    ALONE = "alone"
    """They are dropped first: a batch runs stage by stage, and each has the memory to itself."""
    BESIDE = "beside"
    """They stay while the one to run has room beside them, for whoever renders again soon."""


_NO_PATHS = ("family", "name", "kind", "layout", "loras")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """Where a model set's parts lie on disk; JSON-able (paths as strings), sent to the worker.

    What comes after the name is ACE-Step's: a family without files leaves it at its default.
    """

    family: str
    """`ace_step`."""
    name: str
    kind: str = ""
    """`turbo`, `sft` or `base`."""
    layout: str = ""
    """`diffusers` or `original`."""
    dit: str = ""
    """Folder with the DiT, its condition encoder and audio tokenizer pair."""
    vae: str = ""
    text_encoder: str = ""
    """Folder with text encoder and its tokenizer (in the diffusers layout: the pipeline's folder)."""
    lm: str | None = None
    """Folder of the 5 Hz LM; None when no take needs one."""
    loras: tuple[tuple[str, float], ...] = ()
    """PEFT folders with their scales, merged in this order."""
    dit_file: str | None = None
    """The DiT with its encoders in one file, in place of the weights in `dit`, whose sizes and silence stay."""

    def with_lm(self, lm: str | None) -> ModelFiles:
        """The same set with another LM's folder."""
        return replace(self, lm=lm)

    def absolute(self) -> ModelFiles:
        """The same files, as a process in another folder finds them."""
        paths = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in _NO_PATHS}
        return replace(
            self,
            loras=tuple((os.path.abspath(path), scale) for path, scale in self.loras),  # noqa: PTH100 - texts
            **{name: path and os.path.abspath(path) for name, path in paths.items()},  # noqa: PTH100 - texts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How stages run; what changes bytes enters the keys of the stages it touches."""

    device: str
    """`cpu`, `mps` or `cuda:N`: already picked."""
    dtype: str
    """`float32`, `bfloat16`, `float16` or `auto` (the device's policy, part by part)."""
    threads: int
    lm_slots: int
    vae_tile: int
    """Latent frames a VAE tile."""
    vae_overlap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageJob:
    """One stage of one take (or of several that share it)."""

    id: str
    """The job's key."""
    request: DataclassInstance
    upstream: Mapping[str, Artifact]
    """The results this job builds on, by the names under which its stage takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A job's result."""

    id: str
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A job that failed alone: what, why and what to do."""

    id: str
    message: str
    why: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """A variant's model set as the plan sees it: facts, files and fingerprints, no weights."""

    facts: Any
    """What its family wants to know of it; nobody else asks."""
    files: ModelFiles
    weights: Mapping[str, str]
    """Fingerprint of each part's weights."""
    numerics: Mapping[str, Numerics]
    missing: tuple[str, ...] = ()
    """Parts that aren't on disk, by the names `renderer models fetch` takes."""
    vae: str | None = None
    """The name of its VAE; None for the set's own, however it is named."""
    weight_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of what files each part's weights are: name -> the head of its digest, for telling which one changed."""
    faults: Mapping[str, tuple[ModelError, ...]] = field(default_factory=dict)
    """What is wrong with the files of a part, which then has no fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A file that a part reads."""

    name: str
    """As it enters the part's digest and is told of: the same wherever the set lies."""
    path: Path


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


class Listener(Protocol):
    """Whom a stage tells how far it is, and asks whether to go on."""

    def progress(self, job_id: str, done: int, total: int, unit: str) -> None:
        """`done` of `total` units (`tokens`, `steps`, `tiles`) of a job; called at each of them."""

    def loaded(self, component: str, seconds: float, num_bytes: int) -> None:
        """A component (`lm`, `text_encoder`, `condition_encoder`, `dit`, `vae`, …) was read from disk."""

    def cancelled(self, job_id: str) -> bool:
        """Whether to abandon the job now; asked at each token, step and tile."""


class LoadedPart(Protocol):
    """A part resident on the device, which its stages' runners are given."""

    def close(self) -> None:
        """Drop the weights and free the device's memory."""


class Runner(Protocol):
    """What runs a stage on its part."""

    def __call__(self, part: Any, jobs: Sequence[StageJob], listener: Listener, /) -> Iterator[Done | Failed]:
        """Results as they come, in any order; a cancelled job yields nothing.

        One job's fault is a `Failed`; only what ends every job (a broken checkpoint) raises.
        """


class PartLoader(Protocol):
    """How a family's parts are loaded, in the worker: this is where torch comes in."""

    def prepare(self) -> None:
        """Import what every part needs, so that the first one loads without that wait."""

    def examine(self, part: str, files: ModelFiles) -> None:
        """Read what of a part only reading can tell, and only where that is quick: before other parts work for hours.

        Raises: ModelError when the checkpoint is not what it claims.
        """

    def load(self, part: str, files: ModelFiles, settings: Settings, listener: Listener) -> LoadedPart:
        """The part, resident.

        Raises: ModelError when the checkpoint is not what it claims, ResourceError when it doesn't fit.
        """


class Family(Protocol):
    """A family of models: its table, and what planning and telling ask of it; no torch."""

    @property
    def name(self) -> str:
        """`ace_step`."""

    @property
    def note(self) -> str:
        """What the audio's tags say of how it came to be: `Generated by AI: …`."""

    @property
    def inference(self) -> Collection[str]:
        """The settings of [inference] that it reads: its recipes tell of no other."""

    @property
    def libraries(self) -> Collection[str]:
        """What it computes with, of the packages that an `Environment` tells: its recipes tell their versions."""

    @property
    def stages(self) -> Mapping[str, StageSpec]:
        """Name -> row, in the order of the data's way."""

    @property
    def parts(self) -> Mapping[str, PartSpec]:
        """Name -> row, in the order in which they usually run."""

    def loader(self) -> PartLoader:
        """What loads its parts, imported now."""

    def knows(self, model: str) -> bool:
        """Whether a name, folder or file is a model of its own."""

    def plan_model(self, variant: Variant, settings: Settings) -> PlannedModel:
        """A variant's model set: facts, files and fingerprints; no weights are read.

        Raises: ModelError for what is no model set.
        """

    def take_requests(self, take: Take, model: PlannedModel, preview: float | None) -> TakeRequests:
        """What a take's stages are asked; `preview` is the seconds after which a shorter render stops.

        Raises: UsageError, ModelError for a take that its model can't make.
        """

    def named(self, take: Take, model: PlannedModel, pinned: Mapping[str, PinnedResult]) -> Mapping[str, object]:
        """Models and switches as the spec names them: what explains that a stage runs, or with other weights."""

    def effective(self, requests: Requests) -> Mapping[str, object]:
        """Settings as a take's recorded requests hold them, where checkpoints overrule the spec's."""

    def refuse_unfit(self, files: ModelFiles, stages: Collection[str]) -> None:
        """Look at a set as if jobs that run or build on these stages were to run with it.

        Raises: ModelError for what it can't do.
        """

    def files_of(self, part: str, files: ModelFiles) -> tuple[ReadFile, ...]:
        """What a part reads, whether it is there or not.

        Raises: ModelError for files that don't tell.
        """

    def context_files(self, part: str, files: ModelFiles) -> tuple[ReadFile, ...]:
        """What is looked at beside what a part reads: it has to agree with it."""

    def look(self, part: str, files: ModelFiles) -> tuple[ModelError, ...]:
        """What is wrong with a part's files, as far as headers and configs tell."""

    def files_in(self, folder: Path) -> tuple[ReadFile, ...]:
        """What a folder is read from, by what it says it is.

        Raises: ModelError for files that don't tell.
        """

    def parameters(self, part: str, files: ModelFiles) -> Mapping[str, int]:
        """Component -> number of weights, read from file headers."""

    def num_parameters(self, folder: Path) -> int:
        """Weights of a component by its folder, from its files' headers.

        Raises: ModelError when there are none, or one can't be read.
        """

    def need(self, part: str, files: ModelFiles, settings: Settings, seconds: float) -> Need:
        """What a part takes at a longest take of `seconds`.

        Raises: ModelError when the files can't be read.
        """

    def smaller(self, part: str, settings: Settings, seconds: float) -> Iterator[Alternative]:
        """Smaller ways to run a part, as told to the user, with their settings and longest take."""

    def prompts(self, plan: TakePlan, facts: Any, store: Store, preview: float | None) -> tuple[PromptText, ...]:
        """Every text that a take's models are sent, in the order of the stages."""

    def cut_off(
        self, plan: TakePlan, facts: Any, store: Store, preview: float | None
    ) -> Iterator[tuple[str, int, int]]:
        """The prompts that are longer than their model reads: name, tokens, and how many it reads."""

    def count_prompts(self, song: Song) -> tuple[int, int] | None:
        """Tokens of the text prompt and of the lyric prompt; None where nobody can count them."""


_LOADED: dict[str, Family] = {}
"""The installed ones that anybody asked for."""


@cache
def family(name: str) -> Family:
    """The family of that name, built in or installed.

    Raises: ModelError where there is none.
    """
    found = importlib.import_module(FAMILIES[name].module).FAMILY if name in FAMILIES else _installed(name)
    if found is None:
        raise ModelError(
            f"there is no family of models `{name}`", help="install the package that this was rendered with"
        )
    chosen: Family = found
    return chosen


def family_of(model: str) -> Family:
    """The family that a model belongs to, by its name, folder or file; the first one's where nobody knows it."""
    own = family_named(model) or next((name for name in FAMILIES if family(name).knows(model)), None)
    return family(own or next(iter(FAMILIES)))


def known_families() -> Iterator[Family]:
    """Those built in, then the installed ones that anybody asked for."""
    yield from (family(name) for name in FAMILIES)
    yield from _LOADED.values()


def count_prompts(song: Song) -> tuple[int, int] | None:
    """Tokens of a song's text prompt and lyric prompt, as its model's family counts them; None where nobody can."""
    return family_of(song.variants[0].trained_as).count_prompts(song)


def stored(known: Family) -> Iterator[StageSpec]:
    """A family's stages whose results lie in the store."""
    return (spec for spec in known.stages.values() if not spec.gives_sound)


class StoredKinds(Mapping[str, "type[Artifact]"]):
    """Stage -> what its artifacts are, of the stages whose results lie in the store; families may come later."""

    def __getitem__(self, stage: str) -> type[Artifact]:
        return self._now()[stage]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> dict[str, type[Artifact]]:
        return {spec.name: spec.artifact for known in known_families() for spec in stored(known)}


def two_of_a_name(what: str, name: str, why: str) -> ModelError:
    """The error of families that can't be used side by side."""
    return ModelError(f"two families of models have {what} called `{name}`", why=why, help="take one of them away")


def stored_kinds() -> Mapping[str, type[Artifact]]:
    """The kinds of artifacts that the known families store."""
    return StoredKinds()


@cache
def _installed(name: str) -> Family | None:
    found = next(iter(entry_points(group=GROUP, name=name)), None)
    loaded: Family | None = found.load() if found else None
    if loaded is not None:
        taken = {spec.name for known in known_families() for spec in stored(known)}
        for spec in stored(loaded):
            if spec.name in taken:
                raise two_of_a_name("stages", spec.name, "the store keeps results by that name")
        _LOADED[name] = loaded
    return loaded


def ask_stages(stages: Mapping[str, StageSpec], context: object) -> dict[str, DataclassInstance]:
    """Stage -> request, of those that run at all: each row asked in its table's order with what is known of a take."""
    found = {name: spec.ask(context) for name, spec in stages.items()}
    return {name: request for name, request in found.items() if request is not None}


def runner_of(spec: StageSpec) -> Runner:
    """What runs a stage, imported now."""
    runner: Runner = resolve_name(spec.runner)
    return runner


def stage_of(files: ModelFiles, stage: str) -> StageSpec:
    """A stage's row in the table of the family that a model set belongs to."""
    return family(files.family).stages[stage]


def part_of(files: ModelFiles, part: str) -> PartSpec:
    """A part's row in the table of the family that a model set belongs to."""
    return family(files.family).parts[part]


def read_by(part: str, files: ModelFiles) -> tuple[object, ...]:
    """What of a set a part is made from: sets that have it in common share the part."""
    return (files.family, *part_of(files, part).reads(files))
