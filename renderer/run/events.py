"""What a run tells, as it happens; whoever listens (journal, progress, report) makes of it what it likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from renderer.errors import RendererError
    from renderer.plan.jobs import Group, Job, Plan, TakePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlanned:
    """What is about to run."""

    plan: Plan
    devices: tuple[str, ...] = ()
    """Of the workers, by their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStarted:
    """A part is about to be loaded for so many jobs."""

    group: Group
    num_jobs: int
    """Of the group's, those that are still wanted."""

    @property
    def part(self) -> str:
        """The part's name."""
        return self.group.part


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentLoaded:
    """A component was read from disk."""

    component: str
    seconds: float
    num_bytes: int
    worker: int = 0
    """By whom; workers are numbered from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """A job is so far."""

    job: Job
    done: int
    total: int
    unit: str
    worker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone:
    """A job's result is on disk."""

    job: Job
    seconds: float
    worker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone:
    """A worker is through with jobs that it ran together, each of which gave its result: what their stage takes."""

    jobs: tuple[Job, ...]
    worker: int
    seconds: float
    song_seconds: float
    """That a slot went through, one song after the other."""
    load_seconds: float | None
    """That loading their part took; None where it was resident."""
    is_first: bool
    """Whether the worker had to come up for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """A job failed; what hangs on it is blocked."""

    job: Job
    error: RendererError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRestarted:
    """The worker died and a new one goes on."""

    error: RendererError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLeftOut:
    """A worker died again before it had loaded anything; the others go on without it."""

    worker: int
    """Its number, from 0."""
    error: RendererError


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDone:
    """A take's audio is on disk and verified."""

    take: TakePlan
    seconds: float
    """Of sound."""
    remarks: tuple[str, ...] = ()
    """What to know of how it was made, in words: texts that were cut, smaller tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFailed:
    """A take won't come: its own job failed, or one it hangs on."""

    take: TakePlan
    stage: str
    error: RendererError


RunEvent = (
    RunPlanned
    | PartStarted
    | ComponentLoaded
    | JobProgress
    | JobDone
    | JobFailed
    | BatchDone
    | WorkerRestarted
    | WorkerLeftOut
    | TakeDone
    | TakeFailed
)
