"""Whether files on disk still are what they were: a model's folder hashed anew. No torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.models.catalog import identity
from renderer.store.takes import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIXES = frozenset({".safetensors", ".json", ".jinja", ".txt", ".pt"})
"""Of weights, sizes, vocabularies, templates, silence: also of those that no part reads, since the hub's are known."""
GIT_NAME_LENGTH = 40  # the hub names small files as git does, by SHA-1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A file and what hashing it anew showed."""

    name: str
    """Below the folder, with forward slashes."""
    path: Path
    """Where its bytes lie, links followed."""
    num_bytes: int
    expected: str | None
    """The digest it should have; None when nothing is known of it yet."""
    digest: str

    @property
    def is_sound(self) -> bool:
        """Whether it is what it was, as far as that is known."""
        return self.expected in (None, self.digest)


def verify(folder: Path) -> Iterator[Verified]:
    """Read every file of a model's folder, or a model in one file; digests that nothing contradicts are remembered."""
    names = {path.resolve(): path.relative_to(folder).as_posix() for path in folder.rglob("*") if _counts(path)}
    if _counts(folder):
        names = {folder.resolve(): folder.name}
    for path, name in sorted(names.items(), key=lambda pair: pair[1]):
        expected = _expected(path)
        by_git = expected is not None and len(expected) == GIT_NAME_LENGTH
        digest = _git_digest(path) if by_git else file_digest(path)
        if expected is None:
            identity.remember(path, digest)
        yield Verified(name=name, path=path, num_bytes=path.stat().st_size, expected=expected, digest=digest)


def _counts(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith("._") and path.is_file()


def _expected(path: Path) -> str | None:
    return path.name if path.parent.name == "blobs" else identity.remembered(path)


def _git_digest(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
