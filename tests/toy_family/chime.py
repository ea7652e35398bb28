"""A family of two stages without a model: a melody drawn from the seed, and bells that ring it.

A caption that ends in `after TAKE` has the melody go on from that take's sound.
"""

# ruff: noqa: ARG002, TC003 - the seam gives more than a toy needs; annotations are read at run time

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from renderer.artifacts import Waveform
from renderer.models.family import ask_stages
from renderer.models.memory import Need
from renderer.models.model_files import ModelFiles, PlannedModel
from renderer.models.numerics import Numerics
from renderer.models.stage_job import Done, Failed
from renderer.models.stage_spec import Cost, PartSpec, StageSpec
from renderer.models.take_requests import TakeRequests, TakeStage
from renderer.models.without_weights import WithoutWeights
from renderer.provenance import Notes, VaeNotes

RATE = 48_000
STEP_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class MelodyRequest:
    """How many notes, from which seed."""

    num_notes: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BellsRequest:
    """How long each note rings."""

    note_seconds: float
    fails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Melody:
    """Pitches in semitones above A3: int32 [n]."""

    pitches: npt.NDArray[np.int32]
    notes: Notes = field(default_factory=Notes)

    @property
    def take_notes(self) -> Notes:
        """Nothing beside its own."""
        return self.notes

    @property
    def fault(self) -> str:
        """Whether it has no note."""
        return "" if self.pitches.size else "the melody is empty"


@dataclass(frozen=True, slots=True)
class ChimePart:
    """Either part, resident: it takes a moment for each job, so that a run can be killed in its middle."""

    def melodies(self, jobs: Sequence[Any], listener: Any) -> Iterator[Done | Failed]:
        """See `Runner`."""
        for job in jobs:
            _strike(job, listener)
            yield Done(id=job.id, artifact=melody(job.request, job.upstream))

    def bells(self, jobs: Sequence[Any], listener: Any) -> Iterator[Done | Failed]:
        """See `Runner`."""
        for job in jobs:
            _strike(job, listener)
            if job.request.fails:
                yield Failed(id=job.id, message="a bell cracked", why="its song asked for it")
            else:
                yield Done(id=job.id, artifact=bells(job.request, job.upstream))

    def close(self) -> None:
        """Holds nothing."""


def _strike(job: Any, listener: Any) -> None:
    for step in range(1, 5):
        time.sleep(STEP_SECONDS)
        listener.progress(job.id, step, 4, "strokes")


def melody(request: MelodyRequest, upstream: Mapping[str, Any]) -> Melody:
    """Drawn from the seed; from the loudness of another take's sound, too."""
    theme = upstream.get("theme")
    shift = 0 if theme is None else int(1_000 * float(np.abs(theme.samples).mean()))
    drawn = np.random.default_rng([request.seed, shift])
    return Melody(pitches=drawn.integers(0, 12, request.num_notes).astype(np.int32), notes=Notes(seconds=0.2))


def bells(request: BellsRequest, upstream: Mapping[str, Any]) -> Waveform:
    """A fading sine a note."""
    length = round(request.note_seconds * RATE)
    times = np.arange(length) / RATE
    rung = [np.sin(2 * np.pi * 220 * 2 ** (p / 12) * times) * np.exp(-4 * times) for p in upstream["melody"].pitches]
    one = (0.5 * np.concatenate(rung)).astype(np.float32)
    return Waveform(samples=np.stack([one, one]), notes=VaeNotes(seconds=0.2))


@dataclass(frozen=True, slots=True)
class ChimeLoader:
    """Loads nothing."""

    def prepare(self) -> None:
        """Nothing to import."""

    def examine(self, part: str, files: ModelFiles) -> None:
        """Nothing to read."""

    def prefetch(self, part: str, files: ModelFiles, settings: Any) -> None:
        """There is nothing to gain."""

    def load(
        self, part: str, files: ModelFiles, settings: Any, listener: Any, prefetched: object | None = None
    ) -> ChimePart:
        """At once."""
        listener.loaded(part, 0.0, 1)
        return ChimePart()


def _part(name: str) -> PartSpec:
    return PartSpec(
        name=name,
        title=name,
        activity=f"the {name}",
        lane=f"the {name}",
        components=(name,),
        window=4,
        reads=lambda files: (files.name,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What its stages are asked from."""

    caption: str
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chime(WithoutWeights):
    """The family."""

    name: str = "chime"
    note: str = "Rung by renderer"
    parts: Mapping[str, PartSpec] = field(default_factory=lambda: {n: _part(n) for n in ("composer", "tower")})
    stages: Mapping[str, StageSpec] = field(
        default_factory=lambda: {
            "melody": StageSpec(
                name="melody",
                part="composer",
                ask=lambda context: MelodyRequest(num_notes=max(1, round(context.seconds / 0.25)), seed=context.seed),
                runner=f"{__name__}:ChimePart.melodies",
                version=1,
                request=MelodyRequest,
                artifact=Melody,
                cost=Cost(seconds=lambda request: request.num_notes * 0.25, bytes_per_second=16),
            ),
            "bells": StageSpec(
                name="bells",
                part="tower",
                needs={"melody": "melody"},
                ask=lambda context: BellsRequest(note_seconds=0.25, fails="crack" in context.caption),
                runner=f"{__name__}:ChimePart.bells",
                version=1,
                request=BellsRequest,
                artifact=Waveform,
                cost=Cost(seconds=lambda request: request.note_seconds),
            ),
        }
    )

    def loader(self) -> ChimeLoader:
        return ChimeLoader()

    def plan_model(self, variant: Any, settings: Any) -> PlannedModel:
        return PlannedModel(
            facts=None,
            files=ModelFiles(family=self.name, name=self.name),
            weights=dict.fromkeys(self.parts, "none"),
            numerics=dict.fromkeys(self.parts, Numerics(dtype="float32")),
        )

    def asker(self, preview: float | None, others: Mapping[str, Any]) -> Callable[[Any, PlannedModel], TakeRequests]:
        del others
        return lambda take, _: self._requests(take, preview)

    def _requests(self, take: Any, preview: float | None) -> TakeRequests:
        whole = take.song.metas.duration or 1.0
        seconds = min(whole, preview or whole)
        caption, _, source = take.song.caption.partition(" after ")
        return TakeRequests(
            stages=ask_stages(self.stages, Context(caption=caption, seconds=seconds, seed=take.seed)),
            preview=None if seconds == whole else preview,
            seconds=seconds,
            inputs={"melody": {"theme": TakeStage(take=source, stage="bells")}} if source else {},
        )

    def need(self, part: str, files: ModelFiles, settings: Any, seconds: float) -> Need:
        return Need(part=part, weights=1, work=1)


FAMILY = Chime()
