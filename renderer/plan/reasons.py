"""Why a take runs: its plan against the version on disk, value by value."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from renderer.json_values import to_json
from renderer.models.ace_step.protocol.effects import IDLE
from renderer.models.numerics import words_of
from renderer.plan.jobs import Change, Why
from renderer.plan.keys import neutral
from renderer.plan.words import is_left_out, word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.models.family import Family, StageSpec
    from renderer.plan.jobs import TakePlan
    from renderer.provenance import Environment
    from renderer.song import Take
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord

    Refresh = Callable[[Environment], bool] | None

VERSION = "version"
SET = "set"
"""Beside the stages' requests, records tell which models and switches were named: reasons in the user's words."""
WEIGHTS = "weight_files"
"""And of what files each part's weights are, by their digests: which one changed. Part -> file -> digest."""
FILE = "take"
"""And how the file is written: its format, and what its tags tell."""
_METAS = ("bpm", "keyscale", "timesignature", "duration", "use_cot_metas", "thinking", "codes")
_SWITCHES: Mapping[str, tuple[str, ...]] = {
    "dcw_mode": ("dcw_enabled", "model"),
    "dcw_scaler": ("dcw_enabled", "model"),
    "dcw_high_scaler": ("dcw_enabled", "dcw_mode", "model"),
    "sampler_mode": ("infer_method",),
    "use_cot_caption": _METAS,
    "use_cot_language": (*_METAS, "vocal_language"),
    "max_duration": ("duration",),
    "cfg_interval_start": ("guidance_scale", "model"),
    "cfg_interval_end": ("guidance_scale", "model"),
    "lm_negative_prompt": ("lm_cfg_scale",),
    **dict.fromkeys(("lm_top_k", "lm_top_p", "lm_seed", "seed"), ("lm_temperature",)),
}
"""A setting -> those that switch it on or off: their change is told and not that it went idle, which no one wrote."""
_OFF: Mapping[str, Callable[[Any], bool]] = {
    "lm_temperature": lambda value: value is not None and value <= 0,
    "lm_cfg_scale": lambda value: value is not None and value <= 1,
    "guidance_scale": lambda value: value is not None and value <= 1,
    "infer_method": lambda value: value == "sde",
    "use_cot_metas": lambda value: not value,
    **dict.fromkeys(
        ("bpm", "keyscale", "timesignature", "duration", "vocal_language"), lambda value: value is not None
    ),
}
"""Those of them of which not every change switches -> whether they are off, or leave nothing to decide."""


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
    found = store.located(plan.name, plan.key)
    if found is None:
        return _why_not_there(plan, store, failed)
    record, place = found
    if refresh and refresh(record.environment):
        return Reason(why=Why.CHANGED, changes=environment_changes(record.environment, environment))
    # Nearly always today's: then it is kept once and not with every take.
    made_in = environment if record.environment == environment else record.environment
    tags = _tags_changed(record.requests[FILE], plan)
    done = Why.TAGS if tags else Why.DONE
    return Reason(why=done if place == store.outputs / plan.file else Why.RESTORED, changes=tags, made_in=made_in)


def _tags_changed(written: Mapping[str, Any], plan: TakePlan) -> tuple[Change, ...]:
    asked = plan.requests[FILE]
    return () if written == asked else changes_between({FILE: written}, {FILE: asked}, plan.take, plan.family)


def _why_not_there(plan: TakePlan, store: Store, failed: Mapping[str, str]) -> Reason:
    versions = store.versions(plan.name)
    if any(version.key == plan.key for version in versions):
        return Reason(why=Why.MISSING)
    changes: tuple[Change, ...] = ()
    if versions:
        changes = changes_between(_current(store, versions).requests, plan.requests, plan.take, plan.family)
    if failed.get(plan.name) == plan.key:
        return Reason(why=Why.FAILED, changes=changes)
    return Reason(why=Why.CHANGED if versions else Why.NEW, changes=changes)


def _current(store: Store, versions: tuple[TakeRecord, ...]) -> TakeRecord:
    """The version that bears the take's own name now, else the newest."""
    return next((v for v in versions if store.find(v) == store.outputs / v.file), versions[0])


def environment_changes(old: Environment, new: Environment) -> tuple[Change, ...]:
    """What differs between the surroundings of two renders: `torch 2.12.0 → 2.13.0`."""
    if old == new:
        return ()
    before, now = _flat(to_json(old)), _flat(to_json(new))
    return tuple(
        Change(stage="environment", name=name.removeprefix("versions."), old=before.get(name), new=now.get(name))
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    )


def changes_between(old: Mapping[str, Any], new: Mapping[str, Any], take: Take, family: Family) -> tuple[Change, ...]:
    """What differs between the requests of two versions of a take, each value told once, in the spec's words.

    `family` is the one that the take renders with.
    """
    changes = tuple(_changes(old, new, take, family))
    by_name = {change.name: change for change in changes}
    return tuple(change for change in changes if not _switched(change, by_name))


def _switched(change: Change, others: Mapping[str, Change]) -> bool:
    """Whether it only went idle, or is idle no longer, because another setting was changed."""
    idle = IDLE.get(change.name)
    if idle not in (change.old, change.new):
        return False
    switches = (others[name] for name in _SWITCHES.get(change.name, ()) if name in others)
    return any(_switches(switch, off_now=change.new == idle) for switch in switches)


def _switches(change: Change, *, off_now: bool) -> bool:
    off = _OFF.get(change.name)
    return off is None or (off(change.old), off(change.new)) == (not off_now, off_now)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], take: Take, family: Family) -> Iterator[Change]:
    seen: set[str] = set()
    for stage in dict.fromkeys([SET, *(name for name in new if name != WEIGHTS)]):
        # A stage that only one of the two has is explained by what switched it, not by its every field.
        if stage not in old or stage not in new:
            continue
        # Versions on disk may be older than a field: without it a stage did what its neutral value does.
        spec = family.stages.get(stage)
        usual = neutral(spec.request) if spec else {}
        before, now = (_flat({**usual, **_in_words(version[stage])}) for version in (old, new))
        raised = spec is not None and before.get(VERSION) != now.get(VERSION)
        former = spec.former.get(before.get(VERSION, 0)) if spec is not None and raised else None
        for field in dict.fromkeys([*before, *now]):
            known = word(stage, field, take)
            if before.get(field) == now.get(field) or known.name in seen:
                continue
            # Versions from then also recorded what had no effect; today a request holds its idle value.
            if former is not None and (field in former.explains or now.get(field) == IDLE.get(known.name, ...)):
                continue
            seen.add(known.name)
            if "model" in seen and is_left_out(known.name, take):
                continue
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
                name=known.name,
                old=before.get(field),
                new=now.get(field),
                place=known.place,
                words=former.words if former is not None and field == VERSION else "",
            )


def _in_words(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the numerics as records from before 0.2.0 have them, so that only those that differ are told."""
    if "numerics" not in request:
        return request
    return {name: value for name, value in request.items() if name != "numerics"} | {"dtype": words_of(request)}


def _files_changed(old: Mapping[str, Any], new: Mapping[str, Any], spec: StageSpec, title: str) -> Iterator[Change]:
    """Which files of a part aren't what they were; nothing where a version is older than these notes."""
    before, now = (version.get(WEIGHTS, {}).get(spec.part, {}) for version in (old, new))
    for name in dict.fromkeys([*before, *now]) if before and now else ():
        if before.get(name) != now.get(name):
            told = f"{name} of the {title}"
            yield Change(stage=spec.name, name=told, old=before.get(name), new=now.get(name))


def _flat(request: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in request.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
