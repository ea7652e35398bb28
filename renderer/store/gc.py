"""What a store could do without: found first, shown, and deleted only when told; nothing it didn't record itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.store.takes import LRC_ENDING, file_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.store.store import Store, StoredFile
    from renderer.store.takes import TakeRecord

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What must stay."""

    keys: frozenset[str]
    """Of the takes and jobs that the specs ask for now."""
    kept: Callable[[TakeRecord], bool]
    """Whether a listener keeps this version."""
    orphans: frozenset[str] = frozenset()
    """Takes that may go although nothing newer bears their name."""
    older_than_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Something that can go: an artifact, or a version of a take with its sidecar and record."""

    file: str
    """Below the outputs folder."""
    num_bytes: int
    why: str
    artifact: StoredFile | None = None
    record: TakeRecord | None = None


def find_garbage(store: Store, retention: Retention) -> tuple[Garbage, ...]:
    """What no spec, no keeper and no remaining version needs, and is old enough."""
    limit = time.time_ns() - int(retention.older_than_seconds * _NS)
    stays: list[TakeRecord] = []
    goes: list[Garbage] = []
    for name in store.take_names():
        for record in store.versions(name):
            place = store.find(record)
            why = _why(store, record, place, retention)
            if not why or record.mtime_ns > limit:
                stays.append(record)
            else:
                goes.append(_version(store, record, place, why))
    needed = retention.keys | {key for record in stays for key in record.keys.values()}
    for artifact in store.artifacts():
        if artifact.key not in needed and artifact.mtime_ns <= limit:
            file = artifact.path.relative_to(store.outputs).as_posix()
            goes.append(Garbage(file=file, num_bytes=artifact.num_bytes, why="no take needs it", artifact=artifact))
    return tuple(goes)


def free_version(store: Store, record: TakeRecord) -> bool:
    """Delete a version's sidecar, audio and record; False when it stays because it isn't what was recorded.

    Raises: OSError as the disk gives it.
    """
    place = store.find(record)
    if place is None:
        for audio in (store.outputs / record.file, store.outputs / record.old_file):
            if not audio.exists():
                _free_beside(store, audio, record)
    elif not _is(place, record.digest) or not lies_below(place, store.outputs):
        return False
    else:
        # The audio after what lies beside it: cut off in between, the next time finds it and finishes.
        _free_beside(store, place, record)
        store.disk.remove(place)
    store.forget_take(record)
    return True


def free_artifact(store: Store, artifact: StoredFile) -> bool:
    """Delete an artifact; False when it stays, set aside because it is damaged.

    Raises: OSError as the disk gives it.
    """
    # Its own digest stands in the file; one that doesn't match is set aside by the reading.
    if store.get(artifact.stage, artifact.key) is None or not lies_below(artifact.path, store.outputs):
        return False
    store.forget(artifact)
    return True


def _why(store: Store, record: TakeRecord, place: Path | None, retention: Retention) -> str:
    """Why a version could go; empty when it stays."""
    if record.key in retention.keys or retention.kept(record):
        return ""
    if place is None:
        return "its audio was deleted or altered: only the record goes"
    if record.take in retention.orphans:
        return "no spec asks for it"
    return "former version" if place == store.outputs / record.old_file else ""


def _version(store: Store, record: TakeRecord, place: Path | None, why: str) -> Garbage:
    if place is None:
        return Garbage(file=record.file, num_bytes=0, why=why, record=record)
    file = place.relative_to(store.outputs).as_posix()
    return Garbage(file=file, num_bytes=record.num_bytes, why=why, record=record)


def _free_beside(store: Store, audio: Path, record: TakeRecord) -> None:
    for ending, digest in ((".toml", record.sidecar_digest), (LRC_ENDING, record.lrc_digest)):
        beside = audio.with_suffix(ending)
        if _is(beside, digest) and lies_below(beside, store.outputs):
            store.disk.remove(beside)


def lies_below(path: Path, outputs: Path) -> bool:
    """Whether a file really is in the outputs folder, wherever links lead."""
    return path.resolve().is_relative_to(outputs.resolve())


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and file_digest(path) == digest
