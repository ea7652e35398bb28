"""What every executor is tried with: plans of the toy family, a sink in a folder, and what a run told."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from renderer.artifacts import Latents, Waveform
from renderer.models.model_files import ModelFiles, Settings
from renderer.models.numerics import Numerics
from renderer.plan.jobs import Group, Input, Job, JobSettings, Plan, TakePlan, Why
from renderer.run.events import JobDone, JobFailed, JobProgress, TakeFailed
from renderer.run.sink import PendingWrite
from renderer.spec.families import FAMILIES, FamilyRow
from renderer.spec.load import load_songs
from tests.run.contract.toy import FAMILY, ToyRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from renderer.artifacts import Artifact
    from renderer.run.events import RunEvent
    from renderer.run.executor import Executor

WORKER = "tests.run.contract.worker"
SHAPE = (8, 4)  # of the toy's sketches


_ROWS = cast("dict[str, FamilyRow]", FAMILIES)


def register() -> None:
    """Put the toy family beside the others, in a process of its own: it can't answer what a whole program asks."""
    _ROWS["toy"] = FamilyRow(name="toy", module="tests.run.contract.toy", models=())


@contextmanager
def registered() -> Iterator[None]:
    """The toy family beside the others, and away again."""
    register()
    try:
        yield
    finally:
        del _ROWS["toy"]


def settings(device: str = "cpu") -> Settings:
    return Settings(device=device, dtype="float32", threads=1, lm_slots=1, vae_tile=64, vae_overlap=8)


def plan_of(folder: Path, *requests: ToyRequest, model: str = "fine") -> Plan:
    """A take for each request; all sketches, then all sounds."""
    files = ModelFiles(family="toy", name=model, kind="", layout="", dit="", vae="", text_encoder="", lm=None)
    sketches = tuple(_job("sketch", request, files, {}) for request in requests)
    sounds = tuple(
        _job("sound", request, files, {"sketch": sketch.key})
        for request, sketch in zip(requests, sketches, strict=True)
    )
    groups = (Group(part="pencil", files=files, jobs=sketches), Group(part="brush", files=files, jobs=sounds))
    return Plan(takes=tuple(_takes(folder, requests, files)), groups=groups)


def _takes(folder: Path, requests: tuple[ToyRequest, ...], files: ModelFiles) -> Iterator[TakePlan]:
    spec = folder / "specs" / "toy.toml"
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text('caption = "calm piano"\nlyrics = "[verse]\\nla la la"\n')
    (take,) = next(iter(load_songs([spec]).songs)).takes()
    for request in requests:
        keys = {stage: _key(stage, request) for stage in FAMILY.stages}
        yield TakePlan(
            take=take,
            name=request.name,
            file=f"toy/{request.name}.flac",
            key=f"take {request.name}",
            keys=keys,
            files=files,
            requests={},
            why=Why.NEW,
            runs=tuple(keys),
        )


def _job(stage: str, request: ToyRequest, files: ModelFiles, upstream: Mapping[str, str]) -> Job:
    return Job(
        spec=FAMILY.stages[stage],
        key=_key(stage, request),
        request=request,
        settings=JobSettings(weights="none", numerics=Numerics(dtype="float32"), sizes={}),
        inputs={stage: Input(stage=stage, key=key) for stage, key in upstream.items()},
        files=files,
        takes=(request.name,),
    )


def _key(stage: str, request: ToyRequest) -> str:
    return f"{stage} of {request.name}"


class FolderSink:
    """Results as files of their own bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool_folder = folder / "spool"
        self.spool_folder.mkdir(parents=True, exist_ok=True)
        self.written: list[str] = []

    def upstream(self, job: Job) -> Mapping[str, Artifact]:
        """See `Sink.upstream`."""
        return {
            stage: Latents(frames=np.frombuffer(self._path(key).read_bytes(), np.float32).reshape(SHAPE).copy())
            for stage, key in job.upstream.items()
        }

    def is_picked(self, job: Job) -> bool:
        """See `Sink.is_picked`: by the keys of the sketches, all of which have to be here."""
        (pick,) = job.picks
        assert set(pick.scores.values()) <= set(self.written)
        return not pick.chosen(lambda _, key: float(key[-2:])).isdisjoint(job.takes)

    def write(self, job: Job, artifact: Artifact) -> PendingWrite:
        """See `Sink.write`."""
        assert isinstance(artifact, Latents | Waveform)
        array = artifact.frames if isinstance(artifact, Latents) else artifact.samples
        return PendingWrite(finish=partial(self.finish, job, array.tobytes()), num_bytes=array.nbytes)

    def finish(self, job: Job, content: bytes) -> Iterator[RunEvent]:
        self._path(job.key).write_bytes(content)
        self.written.append(job.key)
        return iter(())

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file()}

    def leftovers(self) -> list[Path]:
        return list(self.spool_folder.iterdir())

    def _path(self, key: str) -> Path:
        return self.folder / key


@dataclass
class Heard:
    """What a run told."""

    events: list[RunEvent] = field(default_factory=list)

    @property
    def done(self) -> list[str]:
        return [event.job.key for event in self.events if isinstance(event, JobDone)]

    @property
    def failed(self) -> list[str]:
        return [event.job.key for event in self.events if isinstance(event, JobFailed)]

    @property
    def lost(self) -> list[str]:
        return [event.take.name for event in self.events if isinstance(event, TakeFailed)]

    def count(self, kind: type[RunEvent]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def of(self, key: str) -> list[str]:
        """A job's events, by their kinds; progress once, however often it was told."""
        kinds = [
            type(event).__name__
            for event in self.events
            if isinstance(event, JobProgress | JobDone | JobFailed) and event.job.key == key
        ]
        return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]


def run(
    executor: Executor,
    plan: Plan,
    sink: FolderSink,
    *,
    listen: Callable[[RunEvent], None] = lambda _: None,
    is_wanted: Callable[[Job], bool] = lambda _: True,
) -> Heard:
    """Run the plan to its end."""
    heard = Heard()
    for event in executor.run(plan, sink=sink, is_wanted=is_wanted):
        heard.events.append(event)
        listen(event)
    return heard
