"""Job keys: same request, same stage, same weights, same upstream -> same name on any machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from renderer.settings import NOT_IN_KEY, neutral_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

_CANONICAL = json.JSONEncoder(sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_PLAIN = frozenset({str, int, float, bool, type(None)})
TAKE_VERSION = 1
"""Raised by one when an audio file is written with other sound for the same waveform."""


def job_key(
    stage: str, version: int, request: Mapping[str, object], settings: Mapping[str, object], upstream: Mapping[str, str]
) -> str:
    """SHA-256, hex, of the canonical JSON of all that changes the stage's bytes.

    `settings` are weights, dtype, slots, tiles; `upstream` the keys of what the job builds on.
    """
    parts = {
        "stage": stage,
        "version": version,
        "request": request,
        "settings": settings,
        "upstream": upstream,
    }
    return hashlib.sha256(_CANONICAL.encode(parts).encode()).hexdigest()


def request_json(request: DataclassInstance) -> dict[str, object]:
    """All that a stage is asked, as JSON: for records and for telling what changed."""
    return both_json(request)[0]


def canonical(request: DataclassInstance) -> dict[str, object]:
    """What a stage is asked, as it goes into its key: without what stands at its neutral value.

    So a setting that came later leaves the keys of all songs that do without it.
    """
    return both_json(request)[1]


def both_json(request: Any) -> tuple[dict[str, object], dict[str, object]]:
    """`request_json` and `canonical`, in one go: a thousand takes are planned while somebody waits."""
    kind: type = type(request)  # mypy takes no class of dataclasses for hashable
    whole: dict[str, object] = {}
    in_key: dict[str, object] = {}
    # Not dataclasses.asdict, which copies every text.
    for name, neutral in _columns(kind):
        value = getattr(request, name)
        if value.__class__ is float:
            value = value or 0.0  # of the two noughts, which compute alike and are written differently, the plain one
        whole[name], keyed = (value, value) if value.__class__ in _PLAIN else _both(value)
        if value != neutral:
            in_key[name] = keyed
    return whole, in_key


def _both(value: Any) -> tuple[object, object]:
    if hasattr(value, "__dataclass_fields__"):
        return both_json(value)
    if value.__class__ is tuple and value and hasattr(value[0], "__dataclass_fields__"):
        pairs = [both_json(one) for one in value]
        return tuple(whole for whole, _ in pairs), tuple(in_key for _, in_key in pairs)
    return value, value


@cache
def _columns(request: type) -> tuple[tuple[str, object], ...]:
    """The fields that keys may hold, each with its neutral value: with what nothing equals where it has none."""
    neutral = neutral_values(request)
    told = (one for one in fields(request) if not NOT_IN_KEY.items() <= one.metadata.items())
    return tuple((one.name, neutral.get(one.name, MISSING)) for one in told)
