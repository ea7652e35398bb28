"""Settings as a spec says them -> as a stage takes them, for any setting there is: their rows in `settings.py` say how.

A value that does nothing beside the others becomes the neutral one, so that takes whose requests are equal, as the
models see them, have equal keys. `check` says of the same settings that they have no effect (`spec/lints/settings.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest, LatentsRequest
from renderer.settings import Metas, rows

if TYPE_CHECKING:
    from renderer.models.catalog.zoo import ModelFacts
    from renderer.settings import Inference, Setting

Group = TypeVar("Group", Metas, CotRequest, CodesRequest, LatentsRequest)


def resolved(group: type[Group], stage: str, said: Inference | Metas, facts: ModelFacts, **others: Any) -> Group:
    """The group's settings for a stage: what is said, else the default or the checkpoint's; `others` is its rest.

    Settings that change other stages are neutral.
    """
    values = {
        name: _value(name, row, said, facts) if stage in row.stages else row.neutral
        for name, row in rows(group).items()
        if name not in others
    }
    return group(**values, **others)


def without_idle(group: Group) -> Group:
    """The same, with the neutral value of each setting that one of them switches off."""
    settings = rows(type(group))
    idle = {
        name: row.neutral
        for name, row in settings.items()
        if any(off(getattr(group, one)) for one, off in row.switches.items() if off is not None and one in settings)
    }
    return replace(group, **idle)


def _value(name: str, row: Setting, said: Inference | Metas, facts: ModelFacts) -> Any:
    value = getattr(said, name)
    return getattr(facts, row.fact) if value is None and row.fact else value
