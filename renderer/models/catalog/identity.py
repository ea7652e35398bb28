"""Fingerprints of weights: files go in, a digest per part comes out. Hashed once, then remembered. No torch."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from renderer.models.catalog.regular_file import regular
from renderer.models.family import family
from renderer.store.disk import RealDisk, write_whole
from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from renderer.models.model_files import ModelFiles, ReadFile

HEAD = 16  # characters
MOST_REMEMBERED = 2_000  # files; above that those that are gone are forgotten
SHA256_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a part's files are, by their bytes."""

    digest: str
    """Equal digests mean equal weights, configs and vocabularies."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File -> its own SHA-256, in the order in which they make up the digest."""

    @property
    def heads(self) -> Mapping[str, str]:
        """File -> the head of its digest: enough to tell whether it changed."""
        return {name: digest[:HEAD] for name, digest in self.files.items()}


UNREADABLE = "unreadable"
"""Stands in place of the digest of a part whose files can't be rendered with."""


def identity(files: ModelFiles) -> Mapping[str, str]:
    """A digest for each part of the set: equal digests mean equal weights, configs and vocabularies.

    Only the files that a part reads enter its digest, so another LM leaves the DiT's alone, and so does a note beside
    the weights. A part that reads no file has no entry.

    Raises: ModelError for a file that isn't there.
    """
    return {part: one.digest for part, one in fingerprints(files).items()}


def fingerprints(files: ModelFiles, without: Container[str] = ()) -> Mapping[str, Fingerprint]:
    """The fingerprint of each part of the set; parts to do `without` aren't read and are `unreadable`.

    Raises: ModelError for a file that isn't there.
    """
    memory = _read_memory()
    before = dict(memory)
    own = family(files.family)
    read = {part: own.files_of(part, files) for part in own.parts if part not in without}
    found = {
        part: Fingerprint(digest=UNREADABLE) if part in without else _fingerprint(read[part], memory)
        for part in own.parts
        if part in without or read[part]
    }
    if memory != before:
        _write_memory(memory)
    return found


def fingerprint(read: Iterable[ReadFile]) -> Fingerprint:
    """The fingerprint that these files give to the part that is read from them.

    Raises: ModelError for a file that isn't there.
    """
    memory = _read_memory()
    before = dict(memory)
    found = _fingerprint(read, memory)
    if memory != before:
        _write_memory(memory)
    return found


def remembered(path: Path) -> str | None:
    """The SHA-256 that a file had when it was last hashed; None when it was changed on purpose or never hashed.

    A changed modification time means a change on purpose: bit rot leaves it alone.
    """
    known = _read_memory().get(str(path))
    stat = path.stat()
    return str(known[2]) if known is not None and known[:2] == [stat.st_size, stat.st_mtime_ns] else None


def remember(path: Path, digest: str) -> None:
    """Note a file's SHA-256 with its size and modification time."""
    stat = path.stat()
    _write_memory({**_read_memory(), str(path): [stat.st_size, stat.st_mtime_ns, digest]})


def _fingerprint(read: Iterable[ReadFile], memory: dict[str, list[int | str]]) -> Fingerprint:
    digests = {one.name: _remembered_digest(one.path, memory) for one in read}
    digest = hashlib.sha256("".join(f"{name}\0{found}\n" for name, found in digests.items()).encode())
    return Fingerprint(digest=digest.hexdigest(), files=digests)


def _remembered_digest(path: Path, memory: dict[str, list[int | str]]) -> str:
    real = path.resolve()
    # The hub's cache names a large file's blob by its SHA-256.
    if real.parent.name == "blobs" and SHA256_NAME.fullmatch(real.name):
        return real.name
    stat = regular(real)
    size, mtime = stat.st_size, stat.st_mtime_ns
    known = memory.get(str(real))
    if known is not None and known[:2] == [size, mtime]:
        return str(known[2])
    digest = file_digest(real)
    memory[str(real)] = [size, mtime, digest]
    return digest


def _memory_path() -> Path:
    return platformdirs.user_cache_path("renderer") / "digests.json"


def _read_memory() -> dict[str, list[int | str]]:
    try:
        found = json.loads(_memory_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # A lost memory only costs hashing again.
    return found if isinstance(found, dict) else {}


def _write_memory(memory: dict[str, list[int | str]]) -> None:
    if len(memory) > MOST_REMEMBERED:  # every command reads it
        memory = {path: known for path, known in memory.items() if Path(path).exists()}
    # Where it can't be kept (a home that is read-only), the files are hashed again next time.
    with suppress(OSError):
        write_whole(RealDisk(), _memory_path(), json.dumps(memory).encode())
