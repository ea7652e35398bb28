"""TakeRecord: what a finished audio file is, where it lies and what made it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from renderer.errors import StoreError
from renderer.files import open_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OLD_FOLDER = "old"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRecord:
    """One finished audio file; written after the file is on the drive."""

    key: str
    take: str
    """The take's name; a preview's ends in `.preview20`."""
    song: str
    file: str
    """Its own name, below the outputs folder; a later version sends it to `old_file`."""
    num_bytes: int
    mtime_ns: int
    digest: str
    """SHA-256 of the file."""
    sidecar_digest: str = ""
    """SHA-256 of the TOML beside it, as written."""
    requests: Mapping[str, Any]
    """Stage -> what it was asked, and the settings that count: for telling what changed."""
    keys: Mapping[str, str]
    """Stage -> its job's key."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What the sidecar TOML tells."""
    page: Mapping[str, Any] = field(default_factory=dict)
    """What the report shows and would have to decode for: peaks, loudness before scaling, seconds."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """Fields as they were before the tags were written anew: true of the file until it has taken the name."""
    remade: bool = False
    """Whether other bytes were made under the same key since, in another environment."""
    distrusted: bool = False
    """Whether its audio was found damaged: from then on it is read and counts only when its digest matches."""

    @property
    def stem(self) -> str:
        """What its record's file is called, without the ending."""
        return f"{self.key}-{self.digest[:8]}" if self.remade else self.key

    @property
    def old_file(self) -> str:
        """Where it lies once another version bears its name, below the outputs folder."""
        folder, _, name = self.file.rpartition("/")
        stem, _, ending = name.rpartition(".")
        return f"{folder}/{OLD_FOLDER}/{stem}.{self.mark}.{ending}"

    @property
    def mark(self) -> str:
        """What tells this version from the take's others, for people."""
        return f"{self.key[:8]}-{self.digest[:8]}" if self.remade else self.key[:8]


def encode_record(record: TakeRecord) -> bytes:
    """JSON with its own digest on the first line."""
    body = json.dumps(asdict(record), sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n"


def decode_record(raw: bytes) -> TakeRecord:
    """The record.

    Raises: StoreError when it was cut or altered.
    """
    head, _, body = raw.partition(b"\n")
    body = body.rstrip(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != head:
        raise StoreError("a take's record doesn't match its digest", why="its bytes changed since they were written")
    try:
        record = TakeRecord(**json.loads(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError("a take's record is of another version", why=str(error)) from error
    texts = (record.key, record.take, record.song, record.file, record.digest, record.sidecar_digest)
    numbers = (record.num_bytes, record.mtime_ns)
    tables = (record.requests, record.keys, record.environment, record.recipe, record.page)
    typed = zip((texts, numbers, tables), (str, int, dict), strict=True)
    if not all(isinstance(value, kind) for values, kind in typed for value in values):
        raise StoreError("a take's record is of another version", why="a value is of another kind")
    if not is_below(record.file):
        raise StoreError("a take's record names a file outside the outputs folder", why=f"`{record.file}`")
    return record


def is_below(file: str) -> bool:
    """Whether a recorded path stays in the outputs folder, beside the store: `song/take.flac`."""
    parts = file.split("/")
    return (
        len(parts) > 1
        and "\0" not in file
        and not any(part in {"", ".", ".."} for part in parts)
        and parts[0][0] != "."
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises: OSError when it can't be read.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
