"""Songs -> takes on disk: plan, worker, store and writers wired together. The one place that knows them all."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.errors import ResourceError, StoreError
from renderer.pipeline.disk_budget import refuse_without_room
from renderer.pipeline.models import require_fetched, require_fit
from renderer.pipeline.preflight import refuse_what_cannot_run
from renderer.pipeline.run_stats import RunStats, TakeFailure, note, run_ended
from renderer.pipeline.stop import Stop
from renderer.pipeline.summary import Summary, kept_results
from renderer.pipeline.waves import PaceMeter, Waves
from renderer.plan.jobs import Why
from renderer.run.events import PartStarted, RunPlanned
from renderer.run.prefetch import prefetch_after
from renderer.run.sleep_inhibitor import no_idle_sleep
from renderer.spec.picks import Vote
from renderer.spec.take_place import take_place
from renderer.store.disk_faults import disk_faults
from renderer.takes.votes import all_picks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from renderer.models.model_files import Settings
    from renderer.pipeline.options import Options
    from renderer.pipeline.project import Project
    from renderer.plan.jobs import Job, Plan, TakePlan
    from renderer.run.events import RunEvent
    from renderer.run.executor import Executor
    from renderer.takes.result_writer import ResultWriter

_ROUNDS = 3  # planning again heals damaged artifacts; a disk that damages every time is told, not fought


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
    with project.held() as hold:
        plan = project.plan_of_shard()
        listen(RunPlanned(plan=plan, devices=tuple(one.device for one in project.workers.settings)))
        if (
            plan.jobs
            or project.options.completes
            or any(take.why not in (Why.DONE, Why.NOT_PICKED) for take in plan.takes)
        ):
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
                    store.journal.add(run_ended(_summary(project, plan, stats, stop, began)))
    return replace(_summary(project, plan, stats, stop, began), was_last=hold.was_last)


def _summary(project: Project, plan: Plan, stats: RunStats, stop: Stop, began: float) -> Summary:
    unfinished = tuple(_unfinished(plan, stats))
    return Summary(
        plan=plan,
        outputs=project.store.outputs,
        rendered=tuple(stats.rendered),
        restored=tuple(stats.restored),
        retagged=tuple(stats.retagged),
        completed=tuple(take.name for take in plan.takes if take.has_sound and take.name in stats.completed),
        kept=tuple(take.name for take in plan.takes if take.why is Why.DONE and take.name not in stats.completed),
        failures=tuple(stats.failures.values()),
        refused=project.refused,
        remarks=_remarks(stats),
        # A deadline that is reached after the last take stopped nothing.
        stopped=stop.cause if unfinished else None,
        stop_reason=stop.reason,
        unfinished=unfinished,
        kept_results=kept_results(plan, stats.done, unfinished),
        fault=stats.fault,
        seconds=time.monotonic() - began,
        loads=dict(stats.loads),
        loads_song_by_song=plan.as_if_picked.loads_song_by_song(),
        not_picked=tuple(_not_picked(plan, stats)),
    )


def _not_picked(plan: Plan, stats: RunStats) -> Iterator[str]:
    """What scores decided against, now or before; a take without a score is a failure."""
    left_out = stats.left_out - stats.failures.keys()
    return (take.name for take in plan.takes if take.why is Why.NOT_PICKED or take.name in left_out)


def _remarks(stats: RunStats) -> Mapping[str, tuple[str, ...]]:
    """Of takes that came: what failed is told of otherwise."""
    found = {remark: [one for one in takes if one not in stats.failures] for remark, takes in stats.remarks.items()}
    return {remark: tuple(takes) for remark, takes in found.items() if takes}


def _refuse(project: Project, plan: Plan, executor: Executor) -> None:
    require_fetched({take.name: project.model_of(take.take.variant) for take in plan.running})
    require_fit(plan, project.model_of)
    _refuse_what_cannot_run(plan, project.workers.settings, executor)
    refuse_without_room(plan, project.store.outputs)
    if cluster := project.options.cluster:
        from renderer.models.node import NodeQuestion  # noqa: PLC0415 - looks at models, which few runs need here
        from renderer.pipeline.cluster import refuse_differences  # noqa: PLC0415 - as above

        files = tuple(dict.fromkeys(group.files.absolute() for group in plan.groups))
        question = NodeQuestion(files=files, folder=str(project.store.folder.absolute()))
        if found := refuse_differences(cluster, question, mixed=project.options.mixed):
            project.store.journal.append("nodes-differ", {"differences": found})


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
            workers = [one.device for one in project.workers.settings]
            store.journal.append(
                "run-started",
                {"takes": len(plan.takes), "jobs": len(plan.jobs), "workers": workers, **_shard(project.options)},
            )
        with _writer(project, plan) as writer:
            _set_right(plan, writer, stats, stop)
            if project.options.completes:
                stats.completed |= {take.name for take in plan.takes if take.has_sound and writer.complete(take)}
        damaged = writer.damaged
        # By the clock that the deadline is read from.
        meter = PaceMeter(clock=lambda: -(stop.seconds_left or 0.0))
        for _ in range(_ROUNDS):
            with _writer(project, plan) as writer:
                for event in _events(plan, executor, writer, meter, stop=stop, is_wanted=is_wanted):
                    with disk_faults(store):
                        note(store.journal, stats, event, device=project.settings.device)
                    listen(event)
            stats.left_out |= writer.left_out
            damaged |= writer.damaged
            if not damaged or stop:
                return
            plan = project.plan([take.take for take in plan.takes if take.name in damaged])
            damaged = set()
    except StoreError as error:
        stats.fault = error


def _writer(project: Project, plan: Plan) -> ResultWriter:
    # It encodes sound: nobody waits for that to be imported where all takes are done.
    from renderer.takes.result_writer import ResultWriter  # noqa: PLC0415

    num_workers = len(project.workers.settings)
    return ResultWriter(plan, project.store, project.settings, project.environment, num_workers)


def _events(
    plan: Plan,
    executor: Executor,
    writer: ResultWriter,
    meter: PaceMeter,
    *,
    stop: Stop,
    is_wanted: Callable[[Job], bool],
) -> Iterator[RunEvent]:
    """The plan's run; with a deadline wave after wave, so that what is made until then are whole takes."""
    if stop.seconds_left is None:
        yield from _run_plan(plan, executor, writer, is_wanted)
        return
    picks = all_picks({take.take.song.name: take.take.song for take in plan.takes}.values())
    kept = [name for name, pick in picks.items() if pick.vote is Vote.KEEP]
    waves = Waves(
        plan, meter, kept=kept, seconds_left=lambda: stop.seconds_left or 0.0, left_out=lambda: writer.left_out
    )
    while not stop and (wave := waves.next()):
        for event in _run_plan(wave, executor, writer, lambda job: is_wanted(job) and waves.wants(job)):
            waves.hear(event)
            yield event


def _run_plan(
    plan: Plan, executor: Executor, writer: ResultWriter, is_wanted: Callable[[Job], bool]
) -> Iterator[RunEvent]:
    for event in executor.run(plan, sink=writer, is_wanted=is_wanted):
        if isinstance(event, PartStarted):
            prefetch_after(plan, event.group)
        yield event


def _shard(options: Options) -> dict[str, int]:
    """What tells runs of one split from others."""
    return {"shard": options.shard.number, "shards": options.shard.count} if options.shard else {}


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
        stats.failures[take.name] = TakeFailure(take=take.name, stage="tags", error=error, place=take_place(take.take))


def _unfinished(plan: Plan, stats: RunStats) -> Iterator[str]:
    over = {*stats.rendered, *stats.failures, *stats.retagged, *stats.completed, *stats.left_out}
    wanted = (take for take in plan.takes if take.runs or take.why is Why.TAGS)
    return (take.name for take in wanted if take.name not in over)
