"""Why a take runs: its plan against the version on disk, value by value."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING, Any

from renderer.json_values import dataclasses_in, to_json
from renderer.models.numerics import words_of
from renderer.plan.jobs import Change, Why
from renderer.plan.locations import is_left_out, place
from renderer.settings import NOT_TOLD, neutral_values, rows
from renderer.store.takes import FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.family import Family
    from renderer.models.stage_spec import FormerVersion, StageSpec
    from renderer.plan.jobs import TakePlan
    from renderer.provenance import Environment
    from renderer.settings import Setting
    from renderer.song import Take
    from renderer.store.store import Store
    from renderer.store.takes import Requests, TakeRecord

    Refresh = Callable[[Environment], bool] | None

VERSION = "version"
SET = "set"
"""Beside the stages' requests, records tell which models and switches were named: reasons in the user's words."""
WEIGHTS = "weight_files"
"""And of what files each part's weights are, by their digests: which one changed. Part -> file -> digest."""
_FORMER_NAMES = "settings had other names in its key until 0.2.0"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a take runs, or doesn't."""

    why: Why
    changes: tuple[Change, ...] = ()
    """Which values changed since its last version."""
    made_in: Environment | None = None
    """Of the version on disk."""


def explain(
    plan: TakePlan,
    store: Store,
    *,
    force: bool,
    refresh: Refresh,
    failed: Mapping[str, str],
    environment: Environment,
) -> Reason:
    """Whether a take is done, and if not, why it runs and which values changed since its last version."""
    if force:
        return Reason(why=Why.FORCED)
    found = store.audio(plan.name, plan.key)
    if found is None:
        return _why_not_there(plan, store, failed)
    record, name = found
    if refresh and refresh(record.environment):
        return Reason(why=Why.CHANGED, changes=environment_changes(record.environment, environment))
    # Nearly always today's: then it is kept once and not with every take.
    made_in = environment if record.environment == environment else record.environment
    tags = _tags_changed(record.requests[FILE], plan)
    done = Why.TAGS if tags else Why.DONE
    return Reason(why=done if name == plan.file else Why.RESTORED, changes=tags, made_in=made_in)


def _tags_changed(written: Mapping[str, object], plan: TakePlan) -> tuple[Change, ...]:
    asked = plan.requests[FILE]
    return () if written == asked else changes_between({FILE: written}, {FILE: asked}, plan.take, plan.family)


def _why_not_there(plan: TakePlan, store: Store, failed: Mapping[str, str]) -> Reason:
    versions = store.versions(plan.name)
    if any(version.key == plan.key for version in versions):
        return Reason(why=Why.MISSING)
    changes: tuple[Change, ...] = ()
    if versions:
        changes = changes_between(current(store, versions).requests, plan.requests, plan.take, plan.family)
    if failed.get(plan.name) == plan.key:
        return Reason(why=Why.FAILED, changes=changes)
    return Reason(why=Why.CHANGED if versions else Why.NEW, changes=changes)


def current(store: Store, versions: tuple[TakeRecord, ...]) -> TakeRecord:
    """The version that bears the take's own name now, else the newest."""
    return next((v for v in versions if store.find(v) == store.outputs / v.file), versions[0])


def environment_changes(old: Environment, new: Environment) -> tuple[Change, ...]:
    """What differs between the surroundings of two renders: `torch 2.12.0 → 2.13.0`."""
    old = old.completed_from(new)
    if old == new:
        return ()
    before, now = dict(_leaves(to_json(old))), dict(_leaves(to_json(new)))
    return tuple(
        Change(stage="environment", name=path[-1], old=before.get(path), new=now.get(path))
        for path in sorted({*before, *now})
        if before.get(path) != now.get(path)
    )


def changes_between(old: Requests, new: Requests, take: Take, family: Family) -> tuple[Change, ...]:
    """What differs between the requests of two versions of a take, each value told once, in the spec's words.

    `family` is the one that the take renders with.
    """
    changes = tuple(_changes(old, new, take, family))
    by_name = {change.name: change for change in changes}
    return tuple(change for change in changes if not _switched(change, by_name, family))


def _switched(change: Change, others: Mapping[str, Change], family: Family) -> bool:
    """Whether it only went idle, or is idle no longer, because another setting was changed: no one wrote that."""
    spec = family.stages.get(change.stage)
    row, idle = _row(spec.request, change.name) if spec else (None, None)
    if row is None or idle not in (change.old, change.new):
        return False
    off_now = change.new == idle
    return any(
        off is None or (off(others[name].old), off(others[name].new)) == (not off_now, off_now)
        for name, off in row.switches.items()
        if name in others and name != change.name
    )


def _row(request: type, name: str) -> tuple[Setting | None, object]:
    """A setting's row, in the request or in a dataclass within, and its value where it is off."""
    for kind in dataclasses_in(request):
        if row := rows(kind).get(name):
            default = next(one.default for one in dataclasses.fields(kind) if one.name == name)
            return row, default if row.neutral is dataclasses.MISSING else row.neutral
    return None, None


def _changes(old: Requests, new: Requests, take: Take, family: Family) -> Iterator[Change]:
    seen: set[str] = set()
    for stage in dict.fromkeys([SET, *(name for name in new if name != WEIGHTS)]):
        # A stage that only one of the two has is explained by what switched it, not by its every field.
        if stage not in old or stage not in new:
            continue
        spec = family.stages.get(stage)
        request = spec.request if spec else None
        before, now = (_by_name(_in_words(version[stage]), request) for version in (old, new))
        raised = spec is not None and before.get(VERSION) != now.get(VERSION)
        former = spec.former.get(before.get(VERSION, 0)) if spec is not None and raised else None
        if former is None and _former_names(request).keys() & {path[-1] for path, _ in _leaves(old[stage])}:
            # Though nothing was changed since.
            yield Change(stage=stage, name=f"names of {stage}", old=None, new=None, words=f"{stage}: {_FORMER_NAMES}")
        for field in dict.fromkeys([*before, *now]):
            name = f"{field} of {stage}" if field in ("weights", VERSION) else field
            if before.get(field) == now.get(field) or name in seen:
                continue
            if former is not None and _explained(field, former, before, now, request):
                continue
            seen.add(name)
            if ("model" in seen and is_left_out(name, take)) or (field == "duration" and take.variant.edit):
                continue  # the checkpoint's, or the source's
            if field == "weights" and seen & set(spec.named_by if spec else ("model",)):
                continue
            if (
                spec is not None
                and field == "weights"
                and (files := tuple(_files_changed(old, new, spec, family.parts[spec.part].title)))
            ):
                yield from (change for change in files if change.name not in seen)
                seen |= {change.name for change in files}
                continue
            yield Change(
                stage=stage,
                name=name,
                old=before.get(field),
                new=now.get(field),
                place=place(name, take),
                words=former.words if former is not None and field == VERSION else "",
            )


def _in_words(request: Mapping[str, object]) -> Mapping[str, object]:
    """With the numerics as records from before 0.2.0 have them, so that only those that differ are told."""
    if "numerics" not in request:
        return request
    return {name: value for name, value in request.items() if name != "numerics"} | {"dtype": words_of(request)}


def _explained(
    field: str,
    former: FormerVersion,
    before: Mapping[str, object],
    now: Mapping[str, object],
    request: type | None,
) -> bool:
    """Whether the version of then says enough of it."""
    if field == "dtype":  # other kernels of the same dtype came with the version
        return _dtype(before) == _dtype(now)
    # Versions from then also recorded what had no effect; today a request holds its neutral value.
    return field in former.explains or now.get(field) == _idle(request).get(field, ...)


def _dtype(version: Mapping[str, object]) -> str:
    """`float32` of `float32, plain kernels`."""
    return str(version.get("dtype", "")).partition(",")[0]


def _by_name(recorded: Mapping[str, object], request: type | None) -> dict[str, Any]:
    """What a version on disk records of a stage, by the names of today.

    It may be older than a field: without it the stage did what its neutral value does.
    """
    former = _former_names(request)
    found = {former.get(path[-1], path[-1]): value for path, value in _leaves(recorded)}
    if request is None:
        return found
    untold = _untold(request)
    return {name: value for name, value in {**neutral_values(request), **found}.items() if name not in untold}


@cache
def _untold(request: type) -> frozenset[str]:
    """The fields that are told by other names, of the request and of what is within."""
    told = (one for kind in dataclasses_in(request) for one in dataclasses.fields(kind))
    return frozenset(one.name for one in told if NOT_TOLD.items() <= one.metadata.items())


def _former_names(request: type | None) -> Mapping[str, str]:
    """Names of settings until 0.2.0 that aren't another field's today -> today's."""
    taken = neutral_values(request) if request else {}
    settings = rows(request) if request else {}
    return {row.former: name for name, row in settings.items() if row.former and row.former not in taken}


def _idle(request: type | None) -> Mapping[str, object]:
    """The values of what other settings switch off."""
    settings = rows(request) if request else {}
    return {name: row.neutral for name, row in settings.items() if {*row.switches} - {name}}


def _files_changed(old: Requests, new: Requests, spec: StageSpec, title: str) -> Iterator[Change]:
    """Which files of a part aren't what they were; nothing where a version is older than these notes."""
    before, now = (version.get(WEIGHTS, {}).get(spec.part, {}) for version in (old, new))
    for name in dict.fromkeys([*before, *now]) if before and now else ():
        if before.get(name) != now.get(name):
            told = f"{name} of the {title}"
            yield Change(stage=spec.name, name=told, old=before.get(name), new=now.get(name))


def _leaves(recorded: Mapping[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values in nested tables, each with its path."""
    for name, value in recorded.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), list(value) if isinstance(value, tuple) else value
