"""The specs of a revision -> a folder that holds them and the files that they name, as the revision had them.

Into a folder of our own, so that a spec of then is read by the same code as one of today. What lies in the tree is
written as files and folders only: links are told of and not followed, and no file gets a name that leads elsewhere.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import is_regular
from renderer.history.git_folder import GIT
from renderer.plurals import counted
from renderer.spec.checkpoints import is_dit_file
from renderer.spec.diagnostics import printable
from renderer.spec.toml import MAX_BYTES, Parsed, parsed_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from renderer.history.revisions import History, TreeEntry

MAX_ENTRIES = 100_000  # of folders that specs are looked for in: a tree of a few objects may unfold to billions
MAX_DEPTH = 64
MAX_BYTES_IN_ALL = 1 << 30
MAX_NAMED = 1_000  # characters of a text in a spec that may name a file
_SPEC, _DEFAULTS = ".toml", "renderer.toml"
_LFS = b"version https://git-lfs.github.com/spec/"

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What was written."""

    folder: Path
    """It stands for the root of the repository."""
    specs: Path
    """Where the specs are in it, whether there are any."""
    remarks: tuple[str, ...]
    """What of the tree isn't read, in words."""
    elsewhere: frozenset[Path]
    """Named paths below `folder` that git doesn't keep: what the working folder has there is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """Writes files of one commit, each once."""

    history: History
    commit: str
    head: str | None
    """The commit that the working folder is of; None where there is none."""
    folder: Path
    done: set[Parts] = field(default_factory=set)
    remarks: dict[str, None] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    """Of what was written, in bytes."""
    unread: dict[Parts, str] = field(default_factory=dict)
    """Files of which git holds a pointer, or more than is read, in words."""
    elsewhere: set[Parts] = field(default_factory=set)
    """What is named and git doesn't keep."""

    def write(self, path: Parts, entry: TreeEntry) -> bytes | None:
        """The file's content, once it is written; None where it isn't: of what git has not, see `unread`."""
        self.done.add(path)
        content = self.history.content(entry.sha)
        name = printable("/".join(path))
        if content is None or content.startswith(_LFS):
            self.unread[path] = "is in LFS" if content else "is too large to be read from git"
            return None
        self.sizes.append(len(content))
        if sum(self.sizes) > MAX_BYTES_IN_ALL:
            raise UsageError(
                "specs of that revision name more than is read from git",
                why=f"their files come to more than {MAX_BYTES_IN_ALL >> 20:,} MiB",
                help="keep audio in LFS, or out of git",
            )
        place = self.folder.joinpath(*path)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                file.write(content)
        except (OSError, ValueError) as error:
            self.remark(f"`{name}` can't be read: no file here can have that name ({error})")
            return None
        return content

    def leave(self, path: Parts) -> None:
        """Let what the working folder has at a path stand for what was named."""
        self.elsewhere.add(path)
        if path in self.unread:
            is_there = is_regular(self.history.folder.root.joinpath(*path))
            then = ": the file of the working folder stands for it" if is_there else ", and not in the working folder"
            self.remark(f"`{printable('/'.join(path))}` {self.unread[path]}{then}")

    def was_lacking(self, path: Parts) -> bool:
        """Of what the commit hasn't: whether git keeps it by now, so that it was missing then."""
        return self.head is not None and self.history.at(self.head, path) is not None

    def remark(self, text: str) -> None:
        """Tell of something, once."""
        self.remarks.setdefault(text)


def check_out(history: History, commit: str, specs: PurePosixPath, folder: Path) -> Checkout:
    """Write the specs below `specs` (from the root of the repository), with their defaults and the files they name.

    Raises: UsageError for a history that can't be read.
    """
    # Specs take it for the root of a project, as they would the repository.
    (folder / GIT).mkdir(parents=True)
    writer = _Writer(history=history, commit=commit, head=_head(history), folder=folder)
    parts = specs.parts
    for path, entry in (*_defaults(history, commit, parts), *_specs(writer, parts)):
        content = writer.write(path, entry)
        if path in writer.unread:
            writer.remark(f"`{printable('/'.join(path))}` {writer.unread[path]}")
        for other in _named_in(content or b"", path[:-1]):
            _write_named(writer, other)
    return Checkout(
        folder=folder,
        specs=folder.joinpath(*parts),
        remarks=tuple(writer.remarks),
        elsewhere=frozenset(folder.joinpath(*one) for one in writer.elsewhere),
    )


def _head(history: History) -> str | None:
    try:
        return history.commit("HEAD")
    except UsageError:  # nothing was committed on this branch
        return None


def _defaults(history: History, commit: str, specs: Parts) -> Iterator[tuple[Parts, TreeEntry]]:
    """Every `renderer.toml` above the specs; those beside and below them are found with them."""
    for depth in range(len(specs)):
        path = (*specs[:depth], _DEFAULTS)
        found = history.at(commit, path)
        if found is not None and found.kind == "file":
            yield path, found


def _specs(writer: _Writer, specs: Parts) -> Iterator[tuple[Parts, TreeEntry]]:
    """Every `.toml` below, less what is hidden."""
    top = writer.history.at(writer.commit, specs)
    if top is None or top.kind != "folder":
        if top is not None and top.kind == "link":
            writer.remark(f"`{'/'.join(specs)}` is a link, which isn't followed")
        return
    waiting, num_seen = [(specs, top)], 0
    while waiting:
        path, folder = waiting.pop()
        entries = writer.history.entries(folder.sha)
        num_seen += len(entries)
        if num_seen > MAX_ENTRIES or len(path) > len(specs) + MAX_DEPTH:
            raise UsageError(
                f"`{printable('/'.join(specs))}` holds more than specs",
                why=f"there are more than {counted(MAX_ENTRIES, 'file')}, or folders {MAX_DEPTH} deep",
                help="keep specs in a folder of their own",
            )
        for entry in entries:
            own = (*path, entry.name)
            if entry.name.startswith("."):
                continue
            if entry.kind == "folder":
                waiting.append((own, entry))
            elif entry.kind == "link":
                writer.remark(f"`{printable('/'.join(own))}` is a link, which isn't followed")
            elif entry.kind == "file" and entry.name.endswith(_SPEC):
                yield own, entry


def _write_named(writer: _Writer, path: Parts) -> None:
    if path in writer.done:
        return
    found = writer.history.at(writer.commit, path)
    if found is None:
        if not writer.was_lacking(path):
            writer.leave(path)
    elif found.kind == "file":
        writer.write(path, found)
        if path in writer.unread:
            writer.leave(path)
    elif found.kind == "folder":  # of an adapter, or of a model: mostly in LFS
        writer.leave(path)
    elif found.kind == "link":
        writer.remark(f"`{printable('/'.join(path))}` is a link, which isn't followed")


def _named_in(content: bytes, folder: Parts) -> Iterator[Parts]:
    """Paths below the root that a spec's texts may mean, whatever their keys."""
    parsed = parsed_toml(content.decode("utf-8-sig", "replace"), Path()) if len(content) <= MAX_BYTES else None
    if not isinstance(parsed, Parsed):
        return  # whoever reads specs tells of it
    for text in _texts(parsed.values):
        if not text or len(text) > MAX_NAMED or "\n" in text or "\0" in text or text.startswith(("/", "~")):
            continue
        path = posixpath.normpath(posixpath.join(*folder, text))
        if is_dit_file(path):
            continue  # a model is looked for where all models are, whatever commit names it
        if path not in (".", "..") and not path.startswith("../"):
            yield tuple(path.split("/"))


def _texts(value: object) -> Iterator[str]:
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
