"""What the journal tells: the last run's jobs, and how each take failed that failed last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from sys import intern
from typing import TYPE_CHECKING

from renderer.report.values import ReportJob, ReportLoad
from renderer.store.journal_lines import (
    JobDoneLine,
    JobFailedLine,
    LoadedLine,
    RunEndedLine,
    RunStartedLine,
    TakeDoneLine,
    TakeFailedLine,
)

if TYPE_CHECKING:
    from datetime import datetime

    from renderer.store.journal import JournalEntry
    from renderer.store.store import Store


@dataclass(slots=True)
class LastRun:
    """What the journal tells of the last run: its jobs, not its lines, which are hundreds of thousands at times."""

    started: datetime | None = None
    """None when nothing has run yet."""
    last: datetime | None = None
    """When it last wrote something down."""
    ended: RunEndedLine | None = None
    """The line that ended it; None while it runs, or when it was cut off."""
    workers: tuple[str, ...] = ()
    """Their devices."""
    jobs: list[ReportJob] = field(default_factory=list)
    loads: list[ReportLoad] = field(default_factory=list)
    num_worker_restarts: int = 0
    takes: set[str] = field(default_factory=set)
    """Takes that it rendered or failed at."""
    failed: dict[str, TakeFailedLine] = field(default_factory=dict)
    """Take -> how it failed, of every take whose last word is a failure, in whichever run."""
    shards: set[object] = field(default_factory=set)
    """Those that have begun, of a batch that is rendered in shards."""
    num_shards: object = None

    def goes_on_with(self, started: JournalEntry) -> bool:
        """Whether it is another shard of the same batch that starts there, and not the next run."""
        shard, count = started.fields.get("shard"), started.fields.get("shards")
        return shard is not None and count == self.num_shards and shard not in self.shards


def last_run(store: Store) -> LastRun:
    """What the journal tells from the last run's start on."""
    run = LastRun()
    for entry in store.journal.lines():
        if entry.event == "run-started" and not run.goes_on_with(entry):
            run = LastRun(failed=run.failed)
        _hear(run, entry)
    return run


def _hear(run: LastRun, entry: JournalEntry) -> None:
    run.last = entry.at
    run.started = run.started or run.last
    seconds = (run.last - run.started).total_seconds()
    run.num_worker_restarts += entry.event == "worker-restarted"
    if entry.event == "run-started" and "shard" in entry.fields:
        run.shards.add(entry.fields["shard"])
        run.num_shards = entry.fields.get("shards")
    match entry.line:
        case RunStartedLine(workers=workers):
            # Each shard numbers its own.
            run.workers = () if run.shards else workers
        case JobDoneLine() | JobFailedLine() as job:
            run.jobs.append(_job(job, seconds))
        case LoadedLine() as load:
            run.loads.append(_load(load, seconds))
        case TakeDoneLine(take=take):
            run.takes.add(take)
            run.failed.pop(take, None)
        case TakeFailedLine(take=take) as failed:
            run.takes.add(take)
            run.failed[take] = failed
        case RunEndedLine() as ended:
            run.ended = _together(run.ended, ended) if run.shards and run.ended else run.ended or ended


def _together(one: RunEndedLine, other: RunEndedLine) -> RunEndedLine:
    """What the shards of a batch read and would have read, in all."""
    summed = Counter(one.loads_song_by_song)
    summed.update(other.loads_song_by_song)
    return replace(other, stopped=one.stopped or other.stopped, loads_song_by_song=dict(summed))


def _job(line: JobDoneLine | JobFailedLine, at: float) -> ReportJob:
    """`at` is when it ended, in seconds since the run's start."""
    seconds = line.seconds if isinstance(line, JobDoneLine) else 0.0
    return ReportJob(
        stage=intern(line.stage),
        part=intern(line.part),
        takes=tuple(map(intern, line.takes)),
        start_seconds=max(0.0, at - seconds),
        seconds=seconds,
        failed=isinstance(line, JobFailedLine),
        worker=(line.worker if isinstance(line, JobDoneLine) else None) or 0,
    )


def _load(line: LoadedLine, at: float) -> ReportLoad:
    return ReportLoad(
        component=line.component,
        start_seconds=max(0.0, at - line.seconds),
        seconds=line.seconds,
        num_bytes=line.num_bytes,
        worker=line.worker or 0,
    )
