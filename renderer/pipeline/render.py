"""Songs -> takes on disk: plan, worker, store and writers wired together. The one place that knows them all."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from renderer.errors import ResourceError, StoreError
from renderer.pipeline.disk_budget import refuse_without_room
from renderer.pipeline.models import require_fetched, require_fit
from renderer.pipeline.preflight import refuse_what_cannot_run
from renderer.pipeline.project import one_at_a_time
from renderer.pipeline.run_stats import RunStats, TakeFailure, note, run_ended
from renderer.plan.jobs import Plan, Why
from renderer.run.events import PartStarted, RunPlanned
from renderer.run.prefetch import prefetch_after
from renderer.run.sleep_inhibitor import no_idle_sleep
from renderer.takes.result_writer import ResultWriter, disk_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from renderer.errors import RendererError
    from renderer.models.model_files import Settings
    from renderer.pipeline.project import Project
    from renderer.plan.jobs import Job, TakePlan
    from renderer.run.events import RunEvent
    from renderer.run.executor import Executor

_ROUNDS = 3  # planning again heals damaged artifacts; a disk that damages every time is told, not fought


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did."""

    plan: Plan
    outputs: Path
    rendered: tuple[str, ...]
    restored: tuple[str, ...]
    retagged: tuple[str, ...]
    """Takes whose tags were written anew, their sound as it was."""
    completed: tuple[str, ...]
    """Takes whose sound was there, and that got what they lacked beside it."""
    kept: tuple[str, ...]
    """Takes that were on disk already."""
    failures: tuple[TakeFailure, ...]
    remarks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What to know of takes that were rendered -> their names."""
    stopped: bool
    """Whether it was told to stop before its end."""
    fault: RendererError | None = None
    """What ended it before its end, such as a full disk; what was done until then is on disk."""
    seconds: float
    loads: Mapping[str, int] = field(default_factory=dict)
    """Component -> how often it was read from disk, as counted."""
    loads_song_by_song: Mapping[str, int] = field(default_factory=dict)


class Stop:
    """A wish to stop, asked at every token, step and tile."""

    def __init__(self, until: datetime | None = None) -> None:
        self._until = until
        self.wanted = False

    def now(self) -> None:
        """Stop as soon as the running token, step or tile is done."""
        self.wanted = True

    def __bool__(self) -> bool:
        return self.wanted or (self._until is not None and datetime.now().astimezone() >= self._until)


def render(
    project: Project,
    *,
    listen: Callable[[RunEvent], None],
    stop: Stop | None = None,
    executor: Executor | None = None,
    abandon: Callable[[Job], bool] | None = None,
) -> Summary:
    """Render what isn't on disk yet; returns once every take is there, failed or unwanted, or the disk gave up.

    `abandon` says of a job that its result isn't wanted any more; asked at every token, step and tile.

    Raises: ModelError, ResourceError, UsageError before anything runs; StoreError when the folder can't be used.
    """
    store = project.store
    store.prepare()
    stop = Stop(project.options.until) if stop is None else stop
    began = time.monotonic()
    stats = RunStats()
    with one_at_a_time(store):
        store.clear_leftovers()
        plan = project.plan()
        listen(RunPlanned(plan=plan))
        if plan.jobs or any(take.why is not Why.DONE for take in plan.takes):
            own = executor or project.executor()
            _refuse(project, plan, own)
            try:
                with no_idle_sleep():
                    _run(project, plan, own, stats, listen=listen, stop=stop, is_wanted=_wanted_by(stop, abandon))
            finally:
                if executor is None:
                    own.end()
                # The disk may be what ended the run.
                with suppress(OSError):
                    seconds = time.monotonic() - began
                    store.journal.add(run_ended(plan, stats, seconds, stopped=bool(stop)))
    return Summary(
        plan=plan,
        outputs=store.outputs,
        rendered=tuple(stats.rendered),
        restored=tuple(stats.restored),
        retagged=tuple(stats.retagged),
        completed=tuple(take.name for take in plan.completed if take.name in stats.completed),
        kept=tuple(take.name for take in plan.takes if take.why is Why.DONE and not take.runs),
        failures=tuple(stats.failures.values()),
        remarks={remark: tuple(takes) for remark, takes in stats.remarks.items()},
        stopped=bool(stop) and _is_unfinished(plan, stats),
        fault=stats.fault,
        seconds=time.monotonic() - began,
        loads=dict(stats.loads),
        loads_song_by_song=plan.loads_song_by_song(),
    )


def _refuse(project: Project, plan: Plan, executor: Executor) -> None:
    require_fetched({take.name: project.model_of(take.take.variant) for take in plan.running})
    require_fit(plan, project.model_of)
    _refuse_what_cannot_run(plan, project.workers.settings, executor)
    refuse_without_room(plan, project.store.outputs)


def _refuse_what_cannot_run(plan: Plan, workers: Sequence[Settings], executor: Executor) -> None:
    try:
        refuse_what_cannot_run(plan, workers)
    except ResourceError:
        if not executor.pids:
            raise
        # What workers kept resident from an earlier round may be all that is missing.
        executor.end()
        refuse_what_cannot_run(plan, workers)


def _run(
    project: Project,
    plan: Plan,
    executor: Executor,
    stats: RunStats,
    *,
    listen: Callable[[RunEvent], None],
    stop: Stop,
    is_wanted: Callable[[Job], bool],
) -> None:
    store = project.store
    try:
        with disk_faults(store):
            store.journal.tidy()
            store.journal.append("run-started", {"takes": len(plan.takes), "jobs": len(plan.jobs)})
        with ResultWriter(plan, store, project.settings, project.environment) as writer:
            _set_right(plan, writer, stats, stop)
        damaged = writer.damaged
        for _ in range(_ROUNDS):
            with ResultWriter(plan, store, project.settings, project.environment) as writer:
                for event in executor.run(plan, sink=writer, is_wanted=is_wanted):
                    with disk_faults(store):
                        note(store.journal, stats, event)
                    if isinstance(event, PartStarted):
                        prefetch_after(plan, event.group)
                    listen(event)
            damaged |= writer.damaged
            if not damaged or stop:
                return
            plan = project.plan([take.take for take in plan.takes if take.name in damaged])
            damaged = set()
    except StoreError as error:
        stats.fault = error


def _wanted_by(stop: Stop, abandon: Callable[[Job], bool] | None) -> Callable[[Job], bool]:
    def is_wanted(job: Job) -> bool:
        return not stop and not (abandon is not None and abandon(job))

    return is_wanted


def _set_right(plan: Plan, writer: ResultWriter, stats: RunStats, stop: Stop) -> None:
    """What needs no sound made: names given back, tags written anew."""
    for take in plan.takes:
        if take.why is Why.RESTORED:
            writer.restore(take)
            stats.restored.append(take.name)
        if take.has_sound and take.changes and not stop:
            _retag(take, writer, stats)


def _retag(take: TakePlan, writer: ResultWriter, stats: RunStats) -> None:
    try:
        if writer.retag(take):
            stats.retagged.append(take.name)
    except StoreError as error:
        # The take is there all the same: a title must not cost the night's other takes.
        stats.failures[take.name] = TakeFailure(take=take.name, stage="tags", error=error)


def _is_unfinished(plan: Plan, stats: RunStats) -> bool:
    done = {*stats.rendered, *stats.failures, *stats.retagged, *stats.completed}
    wanted = (take for take in plan.takes if take.runs or take.why is Why.TAGS)
    return any(take.name not in done for take in wanted)
