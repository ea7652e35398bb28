"""What was measured on this machine, kept for those who ask how long a render takes. No torch."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from renderer.json_values import JsonError, from_json, to_json
from renderer.models.probes.verdict import identity
from renderer.store.disk import RealDisk, write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPace:
    """Of one stage with one set of weights."""

    stage: str
    weights: str
    pace: float
    """Seconds that a second of song occupies a slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchLoad:
    """Of one part's weights."""

    weights: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRecord:
    """Of one device with one system and torch."""

    paces: tuple[BenchPace, ...] = ()
    loads: tuple[BenchLoad, ...] = ()


def recall(device: str) -> BenchRecord:
    """What was measured on a device last, with its system and torch as they are now; nothing where nobody did."""
    try:
        return from_json(BenchRecord, json.loads(_path(device).read_text(encoding="utf-8")))
    except (OSError, ValueError, JsonError):
        return BenchRecord()


def keep(device: str, new: BenchRecord) -> None:
    """Keep what was measured, and what was measured of other weights before."""
    former = recall(device)
    paces = {(one.stage, one.weights): one for one in (*former.paces, *new.paces)}
    loads = {one.weights: one for one in (*former.loads, *new.loads)}
    merged = BenchRecord(paces=tuple(paces.values()), loads=tuple(loads.values()))
    # Where it can't be kept (a home that is read-only), plans go by what renders took.
    with suppress(OSError):
        write_whole(RealDisk(), _path(device), json.dumps(to_json(merged)).encode())


def _path(device: str) -> Path:
    known = {name: value for name, value in identity(device).items() if name != "probes"}
    name = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:24]
    return platformdirs.user_cache_path("renderer") / "bench" / f"{name}.json"
