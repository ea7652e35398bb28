"""A family of two stages without a model: what they give follows from the request, and so does how they misbehave."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from renderer.artifacts import Latents, Waveform
from renderer.errors import ModelError
from renderer.models.stage_job import DeviceLost, Done, Failed
from renderer.models.stage_spec import Cost, PartSpec, StageSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from renderer.artifacts import Artifact
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Listener, LoadedPart, StageJob

STEPS = 4
_PREFETCHES = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyRequest:
    """What both stages are asked."""

    name: str
    seconds: float = 0.01
    """Of sound."""
    step_seconds: float = 0.0
    dies: str = ""
    """A file to which each death adds a line; the worker dies in mid-job until it holds `deaths` lines."""
    deaths: int = 0
    heard: str = ""
    """A file that gets a line whenever a first word of it is heard; it dies once this life's was."""
    hangs: str = ""
    """A file that is made when the job hangs; once it is there, the job runs through."""
    fails: str = ""
    """`always`, or `in company` with other jobs."""
    loses: str = ""
    """A file that is made when the job loses its device; once it is there, the job runs through."""
    awaits: str = ""
    """A file without which it goes no further."""


@dataclass(frozen=True, slots=True)
class ToyPart:
    """Either part, resident."""

    def sketch(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """See `Runner`."""
        return self._run("sketch", jobs, listener)

    def sound(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """See `Runner`."""
        return self._run("sound", jobs, listener)

    def _run(self, stage: str, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        for job in jobs:
            request = job.request
            assert isinstance(request, ToyRequest)
            for step in range(1, STEPS + 1):
                time.sleep(request.step_seconds)
                listener.progress(job.id, step, STEPS, "steps")
                if step == STEPS // 2:
                    _misbehave(request)
                if listener.cancelled(job.id):
                    break
            else:
                fails = request.fails == "always" or (request.fails == "in company" and len(jobs) > 1)
                failed = Failed(id=job.id, message=f"`{request.name}` failed", why="it was asked to")
                yield failed if fails else Done(id=job.id, artifact=result(stage, request, job.upstream))

    def close(self) -> None:
        """See `LoadedPart.close`."""


def result(stage: str, request: ToyRequest, upstream: Mapping[str, Artifact]) -> Artifact:
    """What a stage gives: any artifact will do, as long as request and upstream decide its bytes."""
    if stage == "sketch":
        return Latents(frames=_drawn(request.name).standard_normal((8, 4), dtype=np.float32))
    sketch = upstream["sketch"]
    assert isinstance(sketch, Latents)
    drawn = _drawn(request.name + hashlib.sha256(sketch.frames.tobytes()).hexdigest())
    samples = np.resize(drawn.uniform(-0.5, 0.5, 5_000).astype(np.float32), (2, round(request.seconds * 48_000)))
    return Waveform(samples=samples)


def _drawn(text: str) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:12], 16))


def _misbehave(request: ToyRequest) -> None:
    while request.awaits and not Path(request.awaits).exists():
        time.sleep(0.02)
    if request.dies:
        with Path(request.dies).open("a+") as file:
            file.seek(0)
            num_deaths = len(file.readlines())
            if num_deaths < request.deaths:
                while request.heard and _num_lines(Path(request.heard)) <= num_deaths:
                    time.sleep(0.02)
                file.write("died\n")
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
    if request.loses and not Path(request.loses).exists():
        Path(request.loses).touch()
        raise DeviceLost("an illegal address")
    if request.hangs and not Path(request.hangs).exists():
        Path(request.hangs).touch()
        time.sleep(3600)


def _num_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


@dataclass(frozen=True, slots=True)
class ToyLoader:
    """Loads nothing. A set's name says what is amiss with it; who loads on a device called `cursed` dies."""

    def prepare(self) -> None:
        """See `PartLoader.prepare`."""

    def examine(self, part: str, files: ModelFiles) -> None:
        """See `PartLoader.examine`."""
        if files.name == f"unfit {part}":
            raise ModelError(f"the {part} is unfit", why="it was made so", help="make another")

    def prefetch(self, part: str, files: ModelFiles, settings: Settings) -> str | None:
        """See `PartLoader.prefetch`; of a set called `early`, and numbered."""
        del settings
        if files.name == "too early":
            raise ModelError(f"the {part} is gone", why="it was made so", help="make another")
        return f"{part} prefetched {next(_PREFETCHES)}" if files.name == "early" else None

    def load(
        self, part: str, files: ModelFiles, settings: Settings, listener: Listener, prefetched: object | None = None
    ) -> LoadedPart:
        """See `PartLoader.load`."""
        if settings.device == "cursed":
            os.kill(os.getpid(), signal.SIGKILL)
        if files.name == f"broken {part}":
            raise ModelError(f"the {part} is broken", why="it was made so", help="mend it")
        listener.loaded(str(prefetched or part), 0.0, 1)
        return ToyPart()


def _stage(name: str, part: str, artifact: type[Artifact], *needs: str) -> StageSpec:
    cost = Cost(seconds=lambda request: request.seconds)
    return StageSpec(
        name=name,
        part=part,
        needs={need: need for need in needs},
        ask=lambda request: request,
        runner=f"{__name__}:ToyPart.{name}",
        version=1,
        request=ToyRequest,
        artifact=artifact,
        cost=cost,
    )


def _part(name: str) -> PartSpec:
    reads = lambda files: (files.name,)  # noqa: E731 - a field of the row
    return PartSpec(name=name, title=name, activity=name, lane=name, components=(name,), window=8, reads=reads)


@dataclass(frozen=True, slots=True)
class Toy:
    """The family."""

    name: str = "toy"
    stages: Mapping[str, StageSpec] = field(
        default_factory=lambda: {
            "sketch": _stage("sketch", "pencil", Latents),
            "sound": _stage("sound", "brush", Waveform, "sketch"),
        }
    )
    parts: Mapping[str, PartSpec] = field(default_factory=lambda: {"pencil": _part("pencil"), "brush": _part("brush")})

    def loader(self) -> ToyLoader:
        """See `Family.loader`."""
        return ToyLoader()


FAMILY = Toy()
