"""Run events -> the journal's lines and the count of what became of each take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renderer.pipeline.pace_history import batch_done
from renderer.run.events import (
    BatchDone,
    ComponentLoaded,
    JobDone,
    JobFailed,
    TakeDone,
    TakeFailed,
    WorkerLeftOut,
    WorkerRestarted,
)
from renderer.spec.take_place import take_place
from renderer.store.journal_lines import JobDoneLine, JobFailedLine, LoadedLine, RunEndedLine, TakeFailedLine

if TYPE_CHECKING:
    from renderer.errors import RendererError
    from renderer.pipeline.summary import Summary
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent
    from renderer.store.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFailure:
    """A take that didn't come, with its cause."""

    take: str
    stage: str
    error: RendererError
    place: str
    """Where its spec asks for it: `specs/night.toml:31`."""


@dataclass(slots=True)
class RunStats:
    """What a run did so far."""

    rendered: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    retagged: list[str] = field(default_factory=list)
    completed: set[str] = field(default_factory=set)
    """Takes that got what they want beside their sound."""
    left_out: set[str] = field(default_factory=set)
    """Takes whose plans others scored better than: they were never to come."""
    failures: dict[str, TakeFailure] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    """Keys of jobs whose results are on disk."""
    loads: Counter[str] = field(default_factory=Counter)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    """Remark -> the takes it is about."""
    fault: RendererError | None = None


def note(journal: Journal, stats: RunStats, event: RunEvent, *, device: str) -> None:
    """Write the event down and count it.

    Raises: OSError as the disk gives it.
    """
    match event:
        case ComponentLoaded():
            stats.loads[event.component] += 1
            line = LoadedLine(
                component=event.component, seconds=event.seconds, num_bytes=event.num_bytes, worker=event.worker
            )
            journal.add(line)
        case JobDone(job=job):
            stats.done.add(job.key)
            stats.completed |= {*job.takes} if job.spec.wanted else set()
            journal.add(JobDoneLine(**_job(job), seconds=event.seconds, worker=event.worker))
        case BatchDone(jobs=(job, *_)):
            journal.add(batch_done(event, job, device))
        case JobFailed(job=job):
            error = event.error
            journal.add(JobFailedLine(**_job(job), message=error.message, why=error.why, help=error.help))
            _note_lack(stats, event)
        case WorkerRestarted():
            journal.append("worker-restarted", _error(event.error))
        case WorkerLeftOut():
            journal.append("worker-left-out", {"worker": event.worker, **_error(event.error)})
        case TakeDone():
            stats.failures.pop(event.take.name, None)
            stats.rendered.append(event.take.name)
            for remark in event.remarks:
                stats.remarks.setdefault(remark, []).append(event.take.name)
        case TakeFailed():
            place = take_place(event.take.take)
            failure = TakeFailure(take=event.take.name, stage=str(event.stage), error=event.error, place=place)
            stats.failures[event.take.name] = failure
            fields = _error(event.error)
            journal.add(TakeFailedLine(take=event.take.name, key=event.take.key, stage=failure.stage, **fields))


def _note_lack(stats: RunStats, event: JobFailed) -> None:
    """What takes do without, where nothing but that job wanted it."""
    if event.job.spec.wanted:
        remark = f"without {event.job.stage}: {event.error.message}"
        stats.remarks.setdefault(remark, []).extend(event.job.takes)


def _job(job: Job) -> dict[str, Any]:
    return {"stage": job.stage, "part": job.part, "key": job.key, "takes": job.takes}


def _error(error: RendererError) -> dict[str, str]:
    return {"message": error.message, "why": error.why, "help": error.help}


def run_ended(summary: Summary) -> RunEndedLine:
    """What the journal keeps of a run as a whole."""
    return RunEndedLine(
        rendered=len(summary.rendered),
        failed=len(summary.failures),
        kept=len(summary.kept),
        stopped=summary.stopped is not None,
        ending=summary.headline if summary.stopped else None,
        refused={one.place: one.message for one in summary.refused} or None,
        seconds=summary.seconds,
        loads=summary.loads,
        loads_song_by_song=summary.loads_song_by_song,
        components={part: tuple(names) for part, names in summary.plan.components().items()},
    )
