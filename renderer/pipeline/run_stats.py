"""Run events -> the journal's lines and the count of what became of each take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renderer.plan.jobs import Why
from renderer.run.events import (
    ComponentLoaded,
    JobDone,
    JobFailed,
    TakeDone,
    TakeFailed,
    WorkerLeftOut,
    WorkerRestarted,
)

if TYPE_CHECKING:
    from renderer.errors import RendererError
    from renderer.plan.jobs import Job, Plan
    from renderer.run.events import RunEvent
    from renderer.store.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A take that didn't come, with its cause."""

    take: str
    stage: str
    error: RendererError


@dataclass(slots=True)
class Tally:
    """What a run did so far."""

    rendered: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    retagged: list[str] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    loads: Counter[str] = field(default_factory=Counter)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    """Remark -> the takes it is about."""
    fault: RendererError | None = None


def note(journal: Journal, tally: Tally, event: RunEvent) -> None:
    """Write the event down and count it.

    Raises: OSError as the disk gives it.
    """
    match event:
        case ComponentLoaded():
            tally.loads[event.component] += 1
            fields = {"component": event.component, "seconds": event.seconds, "num_bytes": event.num_bytes}
            journal.append("loaded", fields)
        case JobDone(job=job):
            journal.append("job-done", {**_job(job), "seconds": event.seconds})
        case JobFailed(job=job):
            journal.append("job-failed", {**_job(job), **_told(event.error)})
        case WorkerRestarted():
            journal.append("worker-restarted", _told(event.error))
        case WorkerLeftOut():
            journal.append("worker-left-out", {"worker": event.worker, **_told(event.error)})
        case TakeDone():
            tally.failures.pop(event.take.name, None)
            tally.rendered.append(event.take.name)
            for remark in event.remarks:
                tally.remarks.setdefault(remark, []).append(event.take.name)
        case TakeFailed():
            failure = Failure(take=event.take.name, stage=str(event.stage), error=event.error)
            tally.failures[event.take.name] = failure
            fields = {"take": event.take.name, "key": event.take.key, "stage": failure.stage, **_told(event.error)}
            journal.append("take-failed", fields)


def _job(job: Job) -> dict[str, Any]:
    return {"stage": job.stage, "part": job.part, "key": job.key, "takes": list(job.takes)}


def _told(error: RendererError) -> dict[str, str]:
    return {"message": error.message, "why": error.why, "help": error.help}


def outcome(plan: Plan, tally: Tally, seconds: float, *, stopped: bool) -> dict[str, Any]:
    """What the journal keeps of a run as a whole."""
    return {
        "rendered": len(tally.rendered),
        "failed": len(tally.failures),
        "kept": sum(take.why is Why.DONE for take in plan.takes),
        "stopped": stopped,
        "seconds": seconds,
        "loads": dict(tally.loads),
        "loads_song_by_song": plan.loads_song_by_song(),
        "components": plan.components(),
    }
