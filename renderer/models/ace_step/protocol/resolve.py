"""Settings as a spec says them -> as a stage takes them, for any setting there is: their rows in `settings.py` say how.

A value that does nothing beside the others becomes the neutral one, so that takes whose requests are equal, as the
models see them, have equal keys. `check` says of the same settings that they have no effect (`spec/lints/settings.py`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest, LatentsRequest
from renderer.settings import SETTINGS, Metas, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.catalog.zoo import ModelFacts
    from renderer.settings import Inference, Off

Group = TypeVar("Group", Metas, CotRequest, CodesRequest, LatentsRequest)


class _Columns(NamedTuple):
    """Of a group's settings what a stage needs of each take: looked up once, as thousands are planned."""

    said: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    """Those of them that are the checkpoint's where nobody says any, with its fact's name."""
    elsewhere: Mapping[str, Any]
    """Settings that change other stages, at their neutral values."""


def resolved(group: type[Group], stage: str, said: Inference | Metas, facts: ModelFacts, **others: Any) -> Group:
    """The group's settings for a stage: what is said, else the default or the checkpoint's; `others` is its rest."""
    kind: type = group  # mypy takes no class of dataclasses for hashable
    asked = _columns(kind, stage)
    values = {name: getattr(said, name) for name in asked.said}
    values |= {name: getattr(facts, fact) for name, fact in asked.facts if values[name] is None}
    return group(**values, **asked.elsewhere, **others)


def without_idle(group: Group) -> Group:
    """The same, with the neutral value of each setting that one of them switches off."""
    kind: type = type(group)
    idle: dict[str, Any] = {}
    for switch, off, neutral in _switches(kind):
        if off(getattr(group, switch)):
            idle |= neutral
    return replace(group, **idle) if idle else group


@cache
def _columns(group: type, stage: str) -> _Columns:
    settings = {name: row for name, row in rows(group).items() if name in SETTINGS}
    said = {name: row for name, row in settings.items() if stage in row.stages}
    return _Columns(
        said=tuple(said),
        facts=tuple((name, row.fact) for name, row in said.items() if row.fact),
        elsewhere={name: row.neutral for name, row in settings.items() if name not in said},
    )


@cache
def _switches(group: type) -> tuple[tuple[str, Off, Mapping[str, Any]], ...]:
    """The settings that may switch others of the group off, when they do, and the neutral values of those."""
    settings = rows(group)
    found: dict[tuple[str, Off], dict[str, Any]] = {}
    for name, row in settings.items():
        for switch, off in row.switches.items():
            if off is not None and switch in settings:
                found.setdefault((switch, off), {})[name] = row.neutral
    return tuple((switch, off, neutral) for (switch, off), neutral in found.items())
