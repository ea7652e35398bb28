"""A family's table: a row for each stage, a row for each part that runs them. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renderer.artifacts import Waveform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import DataclassInstance

    from renderer.artifacts import Artifact
    from renderer.models.model_files import ModelFiles, Settings


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
    work: Callable[[Any], float] = lambda _: 1.0
    """Request -> how much a job is beside others of its stage, in any unit, above 0."""
    bytes_per_second: float = 0.0
    """Of sound, that its result takes in the store."""
    pace: float = 1.0
    """Seconds that a second of song takes on a GPU, in its slot, before any was measured."""


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
    wanted: bool = False
    """Whether each take wants its result though nothing builds on it: made beside the sound, where it runs at all.

    A take whose sound is there stays done without it, and one that fails costs no take.
    """
    flag: str = "--timestamps"
    """The option of `render` that gives it, where it is wanted, to takes that are done without."""

    if_lacking: str = ""
    """What to do where another take needs its result and the model makes none."""

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
    slots: Callable[[Settings], int] = lambda _: 1
    """Jobs that it works on at the same time: fewer take as long."""
    load_seconds: float = 1.0
    """That loading it takes, before it was measured."""
    reads: Callable[[ModelFiles], tuple[object, ...]]
    """What of a set it is made from: sets that have it in common share the part."""
    agrees_with: tuple[str, ...] = ()
    """Parts whose files it is held against when it is loaded."""
    settings: Callable[[Settings], Mapping[str, int]] = lambda _: {}
    """What of a run's settings changes its stages' bytes, and so enters their keys."""
    exchanged: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = field(default_factory=dict)
    """Component -> what a spec names in its place, from the models as `Family.named` gives them; None: the model's."""
    if_too_large: str = "close other programs"
    """What to do where it doesn't fit into memory and nothing smaller does."""
