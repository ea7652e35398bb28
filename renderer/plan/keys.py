"""Job keys: same request, same stage, same weights, same upstream -> same name on any machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from renderer.settings import NOT_IN_KEY, neutral_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

_CANONICAL = json.JSONEncoder(sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_PLAIN = frozenset({str, int, bool, type(None)})
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
    return _json(request, canonical=False)


def canonical(request: DataclassInstance) -> dict[str, object]:
    """What a stage is asked, as it goes into its key: without what stands at its neutral value.

    So a setting that came later leaves the keys of all songs that do without it.
    """
    return _json(request, canonical=True)


def _json(request: Any, *, canonical: bool) -> dict[str, object]:
    # Not dataclasses.asdict, which copies every text: a thousand takes are planned while somebody waits.
    kind: type = type(request)
    told: dict[str, object] = {}
    left_out = neutral_values(kind) if canonical else {}
    for name in _names(kind):
        value = getattr(request, name)
        if name in left_out and value == left_out[name]:
            continue
        if value.__class__ is float:
            value = value or 0.0  # of the two noughts, which compute alike and are written differently, the plain one
        elif value.__class__ not in _PLAIN and hasattr(value, "__dataclass_fields__"):
            value = _json(value, canonical=canonical)
        elif value.__class__ is tuple and value and hasattr(value[0], "__dataclass_fields__"):
            value = tuple(_json(one, canonical=canonical) for one in value)
        told[name] = value
    return told


@cache
def _names(request: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(request) if not NOT_IN_KEY.items() <= field.metadata.items())
