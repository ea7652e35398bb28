"""Songs -> takes on disk: plan, worker, store and writers wired together. The one place that knows them all."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from renderer.errors import RendererError, ResourceError, SpecError, StoreError, UsageError
from renderer.models.family import PART_OF
from renderer.pipeline.environment import environment
from renderer.pipeline.keep import Keeper
from renderer.pipeline.models import pick_settings, planned_models, require_fetched
from renderer.pipeline.preflight import refuse_what_cannot_run
from renderer.plan.jobs import COMPONENTS, Plan, Why
from renderer.plan.make import Ask, make_plan
from renderer.run.client import WorkerClient
from renderer.run.events import ComponentLoaded, JobDone, JobFailed, RunPlanned, TakeDone, TakeFailed, WorkerRestarted
from renderer.run.local import Workers, execute
from renderer.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from renderer.models.family import Settings
    from renderer.pipeline.options import Options
    from renderer.pipeline.select import Selection
    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent
    from renderer.song import Take

_ROUNDS = 3  # planning again heals damaged artifacts; a disk that damages every time is told, not fought


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A take that didn't come, with its cause."""

    take: str
    stage: str
    error: RendererError


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did."""

    plan: Plan
    outputs: Path
    rendered: tuple[str, ...]
    restored: tuple[str, ...]
    kept: tuple[str, ...]
    """Takes that were on disk already."""
    failures: tuple[Failure, ...]
    stopped: bool
    """Whether it was told to stop before its end."""
    seconds: float
    loads: Mapping[str, int] = field(default_factory=dict)
    """Component -> how often it was read from disk, as counted."""
    loads_song_by_song: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Tally:
    rendered: list[str] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    loads: Counter[str] = field(default_factory=Counter)


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


class Project:
    """The takes asked for, with the store of their outputs folder: what plan, render, status and report share."""

    def __init__(self, takes: Sequence[Take], options: Options) -> None:
        self.options = options
        self.takes = tuple(takes)
        self.settings: Settings = pick_settings(options)
        self.store = Store(_outputs_of(takes, options))
        self.model_of = planned_models(self.settings)
        self.environment: Mapping[str, Any] = environment(self.settings)

    def plan(self) -> Plan:
        """What would run now.

        Raises: ModelError for model sets that aren't any, UsageError for takes a model can't make.
        """
        ask = Ask(
            preview=self.options.preview,
            force=self.options.force,
            refresh=self._differs if self.options.refresh_environment else None,
        )
        return make_plan(self.takes, model_of=self.model_of, settings=self.settings, store=self.store, ask=ask)

    def missing(self) -> tuple[str, ...]:
        """Model parts that aren't on disk, by the names `renderer models fetch` takes."""
        models = [self.model_of(take.variant) for take in self.takes]
        return tuple(dict.fromkeys(name for model in models for name in model.missing))

    def workers(self) -> Workers:
        """The worker process of this project, not started yet."""
        return Workers(lambda: WorkerClient(self.settings, self.store.folder / "worker.log"))

    def _differs(self, recorded: Mapping[str, Any]) -> bool:
        return dict(recorded) != dict(self.environment)


def refuse_faults(selection: Selection, options: Options) -> None:
    """Render nothing while specs have errors, unless told to keep going.

    Raises: SpecError with every diagnostic.
    """
    errors = [found for found in selection.diagnostics if found.level == "error"]
    if errors and not (options.keep_going and selection.takes):
        raise SpecError(selection.diagnostics)


def render(
    project: Project,
    *,
    listen: Callable[[RunEvent], None],
    stop: Stop | None = None,
    workers: Workers | None = None,
    abandon: Callable[[Job], bool] | None = None,
) -> Summary:
    """Render what isn't on disk yet; returns once every take is there or has its failure, or nobody wants it any more.

    `abandon` says of a job that its result isn't wanted any more; asked at every token, step and tile.

    Raises: ModelError, ResourceError, UsageError before anything runs; StoreError when results can't be kept.
    """
    store = project.store
    store.prepare()
    stop = Stop(project.options.until) if stop is None else stop
    began = time.monotonic()
    with _one_at_a_time(store):
        plan = project.plan()
        require_fetched({take.name: project.model_of(take.take.variant) for take in plan.running})
        own = workers or project.workers()
        _refuse_what_cannot_run(plan, project.settings, own)
        tally = _Tally()
        try:
            store.journal.append("run-started", {"takes": len(plan.takes), "jobs": len(plan.jobs)})
            restored = _restore(plan, Keeper(plan, store, project.settings, project.environment))
            listen(RunPlanned(plan=plan))
            unwanted = _either(stop, abandon)
            _run(project, plan, own, tally, listen=listen, stop=stop, abandon=unwanted)
        finally:
            if workers is None:
                own.end()
            seconds = time.monotonic() - began
            store.journal.append("run-ended", _outcome(plan, tally, seconds, stopped=bool(stop)))
    return Summary(
        plan=plan,
        outputs=store.outputs,
        rendered=tuple(tally.rendered),
        restored=restored,
        kept=tuple(take.name for take in plan.takes if take.why is Why.DONE),
        failures=tuple(tally.failures.values()),
        stopped=bool(stop) and len(tally.rendered) + len(tally.failures) < len(plan.running),
        seconds=seconds,
        loads=dict(tally.loads),
        loads_song_by_song=plan.loads_song_by_song(),
    )


def _refuse_what_cannot_run(plan: Plan, settings: Settings, workers: Workers) -> None:
    try:
        refuse_what_cannot_run(plan, settings)
    except ResourceError:
        if not workers.running:
            raise
        # What the worker kept resident from an earlier round may be all that is missing.
        workers.end()
        refuse_what_cannot_run(plan, settings)


def _run(
    project: Project,
    plan: Plan,
    workers: Workers,
    tally: _Tally,
    *,
    listen: Callable[[RunEvent], None],
    stop: Stop,
    abandon: Callable[[Job], bool],
) -> None:
    for _ in range(_ROUNDS):
        keeper = Keeper(plan, project.store, project.settings, project.environment)
        for event in execute(plan, workers=workers, settings=project.settings, sink=keeper, abandon=abandon):
            _note(project.store, tally, event)
            listen(event)
        if not keeper.damaged or stop:
            return
        plan = project.plan()


def _either(stop: Stop, abandon: Callable[[Job], bool] | None) -> Callable[[Job], bool]:
    def unwanted(job: Job) -> bool:
        return bool(stop) or (abandon is not None and abandon(job))

    return unwanted


def _note(store: Store, tally: _Tally, event: RunEvent) -> None:
    match event:
        case ComponentLoaded():
            tally.loads[event.component] += 1
            fields = {"component": event.component, "seconds": event.seconds, "num_bytes": event.num_bytes}
            store.journal.append("loaded", fields)
        case JobDone(job=job):
            store.journal.append("job-done", {**_job(job), "seconds": event.seconds})
        case JobFailed(job=job):
            store.journal.append("job-failed", {**_job(job), **_told(event.error)})
        case WorkerRestarted():
            store.journal.append("worker-restarted", _told(event.error))
        case TakeDone():
            tally.failures.pop(event.take.name, None)
            tally.rendered.append(event.take.name)
        case TakeFailed():
            failure = Failure(take=event.take.name, stage=str(event.stage), error=event.error)
            tally.failures[event.take.name] = failure
            fields = {"take": event.take.name, "key": event.take.key, "stage": failure.stage, **_told(event.error)}
            store.journal.append("take-failed", fields)


def _job(job: Job) -> dict[str, Any]:
    return {"stage": str(job.stage), "part": str(PART_OF[job.stage]), "key": job.key, "takes": list(job.takes)}


def _told(error: RendererError) -> dict[str, str]:
    return {"message": error.message, "why": error.why, "help": error.help}


def _outcome(plan: Plan, tally: _Tally, seconds: float, *, stopped: bool) -> dict[str, Any]:
    return {
        "rendered": len(tally.rendered),
        "failed": len(tally.failures),
        "kept": sum(take.why is Why.DONE for take in plan.takes),
        "stopped": stopped,
        "seconds": seconds,
        "loads": dict(tally.loads),
        "loads_song_by_song": plan.loads_song_by_song(),
        "components": {str(part): list(names) for part, names in COMPONENTS.items()},
    }


def _restore(plan: Plan, keeper: Keeper) -> tuple[str, ...]:
    names = []
    for take in plan.takes:
        if take.why is Why.RESTORED:
            keeper.restore(take)
            names.append(take.name)
    return tuple(names)


def _outputs_of(takes: Sequence[Take], options: Options) -> Path:
    if options.outputs:
        return options.outputs
    folders = dict.fromkeys(take.song.outputs for take in takes)
    if len(folders) != 1:
        raise UsageError(
            f"the specs name {len(folders)} outputs folders" if folders else "there is nothing to render",
            why=", ".join(f"`{folder}`" for folder in folders),
            help="render them one by one, or give one folder with --out" if folders else "name specs or songs",
        )
    return next(iter(folders))


def _one_at_a_time(store: Store) -> FileLock:
    lock = FileLock(store.lock_path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise StoreError(
            f"another render is writing to `{store.outputs}`",
            why="one at a time: they would do each other's work twice",
            help="wait for it to end, or give another folder with --out",
        ) from error
    return lock
