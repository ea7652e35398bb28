"""Why a take runs: its plan against the version on disk, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renderer.plan.jobs import Change, Why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from renderer.plan.jobs import TakePlan
    from renderer.store.store import Store
    from renderer.store.takes import TakeRecord

    Refresh = Callable[[Mapping[str, Any]], bool] | None

_PER_STAGE = ("weights", "dtype")


def explain(
    plan: TakePlan, store: Store, *, force: bool, refresh: Refresh, failed: Mapping[str, str]
) -> tuple[Why, tuple[Change, ...]]:
    """Whether a take is done, and if not, why it runs and which values changed since its last version."""
    if force:
        return Why.FORCED, ()
    record = store.take(plan.name, plan.key)
    if record is None:
        return _why_not_there(plan, store, failed)
    if refresh and refresh(record.environment):
        return Why.CHANGED, (Change(stage="environment", name="environment", old="another", new="this"),)
    return (Why.DONE if store.find(record) == store.outputs / plan.file else Why.RESTORED), ()


def _why_not_there(plan: TakePlan, store: Store, failed: Mapping[str, str]) -> tuple[Why, tuple[Change, ...]]:
    versions = store.versions(plan.name)
    if any(version.key == plan.key for version in versions):
        return Why.MISSING, ()
    if failed.get(plan.name) == plan.key:
        return Why.FAILED, ()
    if versions:
        return Why.CHANGED, changes_between(_current(store, versions).requests, plan.requests)
    return Why.NEW, ()


def _current(store: Store, versions: tuple[TakeRecord, ...]) -> TakeRecord:
    """The version that bears the take's own name now, else the newest."""
    return next((v for v in versions if store.find(v) == store.outputs / v.file), versions[0])


def changes_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs between the requests of two versions of a take, stage by stage, each value told once."""
    return tuple(_changes(old, new))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    seen: set[str] = set()
    for stage in dict.fromkeys([*new, *old]):
        before, now = _flat(old.get(stage, {})), _flat(new.get(stage, {}))
        for name in dict.fromkeys([*before, *now]):
            # The same key of the spec enters several stages; it is told once, where it first counts.
            if before.get(name) != now.get(name) and (name in _PER_STAGE or name not in seen):
                seen.add(name)
                yield Change(stage=stage, name=name, old=before.get(name), new=now.get(name))


def _flat(request: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in request.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
