"""Songs' takes -> Plan. Reads which results the store holds; loads no weights, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from renderer.models.family import family, part_of, read_by, stage_of
from renderer.plan.jobs import Group, Job, JobSettings, Plan, TakePlan, Why
from renderer.plan.keys import TAKE_VERSION, canonical, job_key, told
from renderer.plan.reasons import FILE, SET, WEIGHTS, explain
from renderer.provenance import Environment
from renderer.store.journal_lines import TakeDoneLine, TakeFailedLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from _typeshed import DataclassInstance

    from renderer.models.family import PlannedModel, Settings, StageSpec
    from renderer.song import Take, Variant
    from renderer.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How a run differs from rendering everything whole."""

    preview: float | None = None
    force: bool = False
    refresh: Callable[[Environment], bool] | None = None
    """Says of a recorded environment whether its results are to be made again; None keeps all."""
    environment: Environment = field(default_factory=Environment)
    """This run's, for telling what differs."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """What `last_failures` found."""


def make_plan(
    takes: Iterable[Take],
    *,
    model_of: Callable[[Variant], PlannedModel],
    settings: Settings,
    store: Store,
    ask: Ask | None = None,
) -> Plan:
    """What runs for these takes, in the order given, changed songs first.

    Raises: UsageError for a take its model can't make.
    """
    ask = ask or Ask()
    planned = [_plan_take(take, model_of(take.variant), settings, store, ask) for take in takes]
    planned.sort(key=lambda pair: pair[0].why is not Why.CHANGED)
    jobs = _needed_jobs(planned, store, ask)
    return Plan(takes=tuple(_with_runs(take, jobs) for take, _ in planned), groups=_groups(jobs.values()))


def last_failures(store: Store) -> Mapping[str, str]:
    """Take name -> key of those whose last word in the journal is a failure."""
    last: dict[str, str | None] = {}
    for entry in store.journal.lines("take-failed", "take-done"):
        match entry.line:
            case TakeFailedLine(take=take, key=key):
                last[take] = key
            case TakeDoneLine(take=take):
                last[take] = None
    return {name: key for name, key in last.items() if key}


def _plan_take(
    take: Take, model: PlannedModel, settings: Settings, store: Store, ask: Ask
) -> tuple[TakePlan, tuple[Job, ...]]:
    own = family(model.files.family)
    asked = own.take_requests(take, model, ask.preview)
    given = {stage: one.key for stage, one in asked.given.items()}
    jobs = _jobs(asked.stages, model, settings, given=given, take=take.name)
    keys = {**given, **{job.stage: job.key for job in jobs}}
    output = take.song.output
    # What tags tell beside that is written into the file that is there.
    sound = jobs[-1].stage
    key = job_key("take", TAKE_VERSION, {"format": output.format}, {}, {sound: keys[sound]})
    suffix = "" if asked.preview is None else f".preview{asked.preview:g}"
    name = take.name + suffix
    requests = {
        SET: own.named(take, model, asked.given),
        **{job.stage: _told(job) for job in jobs},
        WEIGHTS: {part: model.weight_files[part] for part in _parts(jobs) if part in model.weight_files},
        FILE: {"format": output.format, "recipe": output.recipe, "title": take.song.title},
    }
    plan = TakePlan(
        take=take,
        name=name,
        file=f"{take.song.name}/{name}.{output.format}",
        key=key,
        keys=keys,
        files=model.files,
        requests=requests,
        why=Why.NEW,
        preview=asked.preview,
        seconds=asked.seconds,
        given={one.key: one.artifact for one in asked.given.values()},
    )
    reason = explain(plan, store, force=ask.force, refresh=ask.refresh, failed=ask.failed, environment=ask.environment)
    return replace(plan, why=reason.why, changes=reason.changes, made_in=reason.made_in), jobs


def _parts(jobs: Iterable[Job]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(job.part for job in jobs))


def _told(job: Job) -> dict[str, Any]:
    """What the job was asked, for records and reasons."""
    return {**told(job.request), **job.settings.as_json, "version": job.spec.version}


def _jobs(
    asked: Mapping[str, DataclassInstance],
    model: PlannedModel,
    settings: Settings,
    *,
    given: Mapping[str, str],
    take: str,
) -> tuple[Job, ...]:
    keys, jobs = dict(given), []
    for stage, request in asked.items():
        spec = stage_of(model.files, stage)
        upstream = {need: keys[need] for need in spec.needs if need in keys}
        counted = _settings(spec, model, settings)
        keys[stage] = job_key(stage, spec.version, canonical(request), counted.as_json, upstream)
        jobs.append(
            Job(
                spec=spec,
                key=keys[stage],
                request=request,
                settings=counted,
                upstream=upstream,
                files=model.files,
                takes=(take,),
            )
        )
    return tuple(jobs)


def _settings(spec: StageSpec, model: PlannedModel, settings: Settings) -> JobSettings:
    return JobSettings(
        weights=model.weights[spec.part],
        numerics=model.numerics[spec.part],
        sizes=part_of(model.files, spec.part).settings(settings),
    )


def _needed_jobs(
    planned: Sequence[tuple[TakePlan, tuple[Job, ...]]], store: Store, ask: Ask
) -> dict[tuple[str, str], Job]:
    """The jobs whose results are wanted and not there, shared ones once, with every take that hangs on them."""
    needed: dict[tuple[str, str], Job] = {}
    for plan, jobs in planned:
        if plan.has_sound:
            continue
        wanted = {job.stage for job in jobs if job.spec.gives_sound or job.spec.told_in_tags}
        for job in reversed(jobs):
            if job.stage not in wanted:
                continue
            if not job.spec.gives_sound and not _make_again(job, store, ask):
                continue
            wanted |= set(job.upstream)
            known = needed.get((job.stage, job.key), replace(job, takes=()))
            needed[job.stage, job.key] = replace(known, takes=(*known.takes, plan.name))
    return needed


def _make_again(job: Job, store: Store, ask: Ask) -> bool:
    if ask.force or not store.has(job.stage, job.key):
        return True
    if ask.refresh is None:
        return False
    found = store.get_with_origin(job.stage, job.key)
    return found is None or ask.refresh(found[1].environment)


def _with_runs(plan: TakePlan, jobs: Mapping[tuple[str, str], Job]) -> TakePlan:
    if plan.has_sound:
        return plan
    return replace(plan, runs=tuple(stage for stage, key in plan.keys.items() if (stage, key) in jobs))


def _groups(jobs: Iterable[Job]) -> tuple[Group, ...]:
    grouped: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        grouped.setdefault((job.part, read_by(job.part, job.files)), []).append(job)
    ranked = sorted(grouped.values(), key=lambda group: _rank(group[0].part, family(group[0].files.family).parts))
    return tuple(
        Group(
            part=group[0].part,
            files=group[0].files,
            jobs=tuple(sorted(group, key=lambda job: _rank(job.stage, family(job.files.family).stages))),
        )
        for group in ranked
    )


def _rank(name: str, rows: Mapping[str, object]) -> int:
    return list(rows).index(name)
