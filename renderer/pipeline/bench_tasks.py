"""A plan -> what to measure of its parts, the important first: as they are set, then as they might be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from renderer.models import device as devices
from renderer.models.bench.inputs import upstream
from renderer.models.family import family, part_of
from renderer.models.model_files import Residency
from renderer.models.stage_job import StageJob
from renderer.run.messages import LoadPart, PartFiles, RunJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.model_files import Settings
    from renderer.models.numerics import Numerics
    from renderer.plan.jobs import Job, Plan

SLOTS = (1, 2, 4, 8)
OTHER_TILES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "cpu": ((256, 8), (128, 8)),
    "cuda": ((512, 16),),
    "mps": ((128, 8), (64, 8)),
}
"""Shorter than what is set: on Metal nothing longer was shown right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTask:
    """What one process measures."""

    load: LoadPart
    runs: tuple[RunJobs, ...]
    dtype: str
    """What the part computes in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSubject:
    """A model set's part with the jobs of one take on it, and how it runs."""

    jobs: tuple[Job, ...]
    numerics: Callable[[Settings], Mapping[str, Numerics]]
    """What parts compute in with some settings."""
    seconds: float
    """Of the song."""

    @property
    def part(self) -> str:
        """Its name."""
        return self.jobs[0].part

    @property
    def tiled(self) -> bool:
        """Whether it works in tiles, whose length is a setting."""
        return any("vae_tile" in job.settings.sizes for job in self.jobs)

    def slots(self, settings: Settings) -> tuple[int, ...]:
        """Songs at once as they are set; none where it takes one after the other."""
        row = part_of(self.jobs[0].files, self.part)
        return (row.slots(settings),) if row.at_once else ()

    def dtype(self, settings: Settings) -> str:
        """What it computes in."""
        return self.numerics(settings)[self.part].dtype

    def task(self, settings: Settings, slots: tuple[int, ...] = ()) -> BenchTask:
        """It with these settings, its stages with so many songs at once."""
        files = self.jobs[0].files.absolute()
        part = PartFiles(part=self.part, files=files, weights=self.jobs[0].settings.weights)
        # A chain of thought ends where it will: its tokens take what those of codes do.
        measured = [job for job in self.jobs if not job.spec.cost.total_is_limit]
        return BenchTask(
            load=LoadPart(part=part, settings=settings, residency=Residency.ALONE),
            runs=tuple(self._run(job, count) for job in measured for count in slots or (1,)),
            dtype=self.dtype(settings),
        )

    def _run(self, job: Job, count: int) -> RunJobs:
        inputs = upstream(family(job.files.family).stages, job.stage, job.files, self.seconds)
        jobs = (StageJob(id=str(number), request=job.request, upstream=inputs) for number in range(count))
        return RunJobs(part=self.part, stage=job.stage, jobs=tuple(jobs), spool="")


def subjects(
    plan: Plan, numerics: Callable[[Settings], Mapping[str, Numerics]], seconds: float
) -> tuple[BenchSubject, ...]:
    """A plan's parts, in the order in which they run."""
    names = dict.fromkeys(group.part for group in plan.groups)
    own = (tuple(job for job in plan.jobs if job.part == name) for name in names)
    return tuple(BenchSubject(jobs=jobs, numerics=numerics, seconds=seconds) for jobs in own)


def tasks(every: tuple[BenchSubject, ...], settings: Settings) -> Iterator[BenchTask]:
    """What to measure, a load each."""
    for one in every:
        slots = one.slots(settings)
        yield one.task(settings, tuple(dict.fromkeys((*slots, *SLOTS))) if slots else ())
    for one in every:
        other = with_other_dtype(one, settings)
        if other is not None:
            yield one.task(other, one.slots(other))
    for one in every:
        for tile, overlap in OTHER_TILES[settings.of(one.part).device.partition(":")[0]] if one.tiled else ():
            if tile < settings.vae_tile:
                yield one.task(replace(settings, vae_tile=tile, vae_overlap=overlap))


def with_other_dtype(subject: BenchSubject, settings: Settings) -> Settings | None:
    """The settings with the other of bfloat16 and float32, where the device's own policy was taken; None elsewhere."""
    if settings.dtype != "auto" or subject.tiled:
        return None
    device = settings.of(subject.part).device
    dtype = "bfloat16" if subject.dtype(settings) == "float32" else "float32"
    known_bad = device not in {"cpu", devices.MLX} and devices.dtype_warning(device, dtype)
    parts = tuple(replace(one, dtype=None) for one in settings.parts)
    return None if known_bad else replace(settings, dtype=dtype, parts=parts)
