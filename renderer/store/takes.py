"""TakeRecord: what a finished audio file is, where it lies and what made it; TakeFile, what tells of the file alone."""

# Without `from __future__ import annotations`: `json_values` reads the annotations.
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import filterfalse
from pathlib import Path
from typing import Any, TypeAlias

import pydantic_core
from pydantic_core import SchemaValidator, core_schema

from renderer.errors import StoreError
from renderer.files import open_regular
from renderer.json_values import JsonError, from_json, to_json
from renderer.provenance import Environment, Notes, Provenance
from renderer.store.recipe import Recipe
from renderer.store.shapes import AN_OBJECT, shape

Requests: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What a version was asked: stage -> names and values as it wrote them, since other versions ask other things."""
FILE = "take"
"""And beside the stages', how the file is written: its format, and what its tags tell."""
OLD_FOLDER = "old"
LRC_ENDING = ".lrc"
_LONGEST = 255  # bytes of a file's name
_NAME = re.compile(r"[^./\\\0][^/\\\0]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the report shows of an audio file and would have to decode it for."""

    peaks: str = ""
    """Its outline, as `takes.peaks` writes it."""
    seconds: float = 0.0
    """Of sound."""
    notes: Mapping[str, Notes] = field(default_factory=dict)
    """Stage -> what it noted; read back, all that is one stage's own stands in `others`."""
    sung: str = ""
    """When its lyrics are sung, as `takes.sung_facts` writes it."""
    others: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerFile:
    """What a record told of an audio file whose tags are being written anew."""

    num_bytes: int
    mtime_ns: int
    digest: str
    sidecar_digest: str
    requests: Requests
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFile:
    """What a record tells of a finished audio file itself: where it lies, and whether it is what is asked."""

    key: str
    take: str
    """The take's name; a preview's ends in `.preview20`."""
    file: str
    """Its own name, below the outputs folder; a later version sends it to `old_file`."""
    num_bytes: int
    mtime_ns: int
    digest: str
    """SHA-256 of the file."""
    requests: Requests
    """Stage -> what it was asked, and the settings that count: for telling what changed."""
    keys: Mapping[str, str]
    """Stage -> its job's key."""
    environment: Environment = field(default_factory=Environment)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeRecord(TakeFile):
    """All that is kept of one finished audio file; written after the file is on the drive."""

    song: str
    sidecar_digest: str = ""
    """SHA-256 of the TOML beside it, as written."""
    lrc_digest: str = ""
    """SHA-256 of the `.lrc` beside it, as written; empty where there is none of ours."""
    recipe: Recipe = field(default_factory=Recipe)
    """What the sidecar TOML tells."""
    page: PageFacts = field(default_factory=PageFacts)
    before: FormerFile | None = None
    """What was true before the tags were written anew: still true until that file has taken the name."""
    others: Mapping[str, object] = field(default_factory=dict)
    """Fields that a newer version wrote: they stay when the record is written again."""

    @property
    def provenance(self) -> Provenance:
        """How the take came to be."""
        return Provenance(notes=self.page.notes, environment=self.environment)

    @property
    def of_the_file(self) -> FormerFile:
        """What of this changes with the file's tags."""
        return FormerFile(**{one.name: getattr(self, one.name) for one in fields(FormerFile)})

    @property
    def with_former_file(self) -> "TakeRecord":
        """The same before its tags were written anew."""
        former = {one.name: getattr(self.before, one.name) for one in fields(FormerFile)}
        return replace(self, **former, before=None)


def encode_record(record: TakeRecord) -> bytes:
    """JSON with its own digest on the first line."""
    body = json.dumps(to_json(record), sort_keys=True, ensure_ascii=False).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body + b"\n"


def decode_record(raw: bytes) -> TakeRecord:
    """The record.

    Raises: StoreError when it was cut or altered.
    """
    if (body := _sound_body(raw)) is None:
        raise StoreError("a take's record doesn't match its digest", why="its bytes changed since they were written")
    try:
        record = from_json(TakeRecord, pydantic_core.from_json(body))
    except (JsonError, ValueError) as error:
        raise StoreError("a take's record is of another version", why=str(error)) from error
    if not is_below(record.file):
        raise StoreError("a take's record names a file outside the outputs folder", why=f"`{record.file}`")
    if odd := _odd_name(record, record.before.digest if record.before else ""):
        raise StoreError("a take's record names what can't be in a store", why=f"`{odd}`")
    return record


def decode_file(raw: bytes) -> TakeFile | None:
    """What a record tells of its file, of `requests` only what FILE says; made in a fraction of the record's time.

    None where `decode_record` raises, or its tags were to be written anew.
    """
    if (body := _sound_body(raw)) is None:
        return None
    try:
        told = _shape_of_record().validate_json(body)
        file = None if told.get("before") else from_json(TakeFile, told)
    except ValueError:
        return None
    return file if file and is_below(file.file) and not _odd_name(file) else None


@cache
def _shape_of_record() -> SchemaValidator:
    any_object, tags = core_schema.dict_schema(), {FILE: core_schema.typed_dict_field(core_schema.dict_schema())}
    requests = core_schema.typed_dict_schema(tags, extras_schema=AN_OBJECT, extra_behavior="allow", total=False)
    before = core_schema.any_schema()
    return SchemaValidator(shape(TakeRecord, requests=requests, environment=any_object, before=before))


def _sound_body(raw: bytes) -> bytes | None:
    """A record's JSON; None when it was cut or altered."""
    head, _, body = raw.partition(b"\n")
    body = body.rstrip(b"\n")
    return body if hashlib.sha256(body).hexdigest().encode() == head else None


def _odd_name(file: TakeFile, *more: str) -> str:
    """What of the names that stand there can't be in a store; empty where all can."""
    names = filter(None, (file.take, file.key, file.digest, *more, *file.keys, *file.keys.values()))
    return next(filterfalse(is_name, names), "")


def is_name(text: str) -> bool:
    """Whether a text leads to nothing but what lies in a folder, as names of takes, stages and keys do."""
    is_short = len(text) <= _LONGEST and (text.isascii() or len(text.encode("utf-8", "surrogatepass")) <= _LONGEST)
    return is_short and _NAME.fullmatch(text) is not None


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
