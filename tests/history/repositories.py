"""Repositories in a folder, written as git writes them, without git."""

from __future__ import annotations

import os
import zlib
from hashlib import sha1
from itertools import count
from typing import TYPE_CHECKING

from dulwich.index import commit_tree
from dulwich.objects import Blob, Commit, Tag
from dulwich.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE, LINK, MODULE = 0o100644, 0o120000, 0o160000
AUTHOR = b"A Singer <singer@example.org>"

Content = bytes | tuple[int, bytes]
"""A file's, or a mode and what belongs to it: where a link leads, a commit's id."""


class Repository:
    """A repository whose working folder is `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.git = folder / ".git"
        self._seconds = count(1_700_000_000, 60)
        repo = Repo.init(str(folder))
        repo.refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")
        repo.close()

    def commit(self, *below: str, message: str = "a change") -> str:
        """Commit all that lies in the folder, or in these folders of it; its id."""
        skipped = {".git", "outputs"}
        files = [path for path in self.folder.rglob("*") if path.is_file() and not skipped & {*path.parts}]
        paths = [path.relative_to(self.folder).as_posix() for path in files]
        wanted = [path for path in paths if not below or path.startswith(below)]
        return self.commit_files({path.encode(): (self.folder / path).read_bytes() for path in wanted}, message=message)

    def commit_files(
        self, files: Mapping[bytes, Content], *, parents: Iterable[str] | None = None, message: str = "a change"
    ) -> str:
        """Commit just these files, of whatever names and modes; on the branch, or with these parents."""
        with Repo(str(self.folder)) as repo:
            entries = []
            for path, content in files.items():
                mode, inner = content if isinstance(content, tuple) else (FILE, content)
                if mode == MODULE:
                    entries.append((path, inner, mode))
                    continue
                blob = Blob.from_string(inner)
                repo.object_store.add_object(blob)
                entries.append((path, blob.id, mode))
            return self.commit_of(commit_tree(repo.object_store, entries), parents=parents, message=message)

    def commit_of(self, tree: bytes, *, parents: Iterable[str] | None = None, message: str = "a change") -> str:
        """Commit a tree that is there."""
        with Repo(str(self.folder)) as repo:
            head = self.head
            commit = Commit()
            commit.tree = tree
            commit.author = commit.committer = AUTHOR
            commit.author_time = commit.commit_time = next(self._seconds)
            commit.author_timezone = commit.commit_timezone = 0
            commit.message = message.encode()
            commit.parents = [one.encode() for one in (parents if parents is not None else [head] if head else [])]
            repo.object_store.add_object(commit)
            (self.git / "refs" / "heads").mkdir(parents=True, exist_ok=True)
            (self.git / "refs" / "heads" / "main").write_bytes(commit.id + b"\n")
            return commit.id.decode()

    @property
    def head(self) -> str:
        file = self.git / "refs" / "heads" / "main"
        return file.read_text().strip() if file.exists() else ""

    def ref(self, name: str, text: str) -> None:
        """Write a reference as it is given."""
        place = self.git / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n")

    def tag(self, name: str, commit: str) -> None:
        """An annotated tag."""
        with Repo(str(self.folder)) as repo:
            tag = Tag()
            tag.name, tag.tagger, tag.message = name.encode(), AUTHOR, b"released"
            tag.tag_time, tag.tag_timezone = next(self._seconds), 0
            tag.object = (Commit, commit.encode())
            repo.object_store.add_object(tag)
            self.ref(f"refs/tags/{name}", tag.id.decode())

    def pack(self) -> None:
        """All objects in one pack, none of them loose."""
        with Repo(str(self.folder)) as repo:
            repo.object_store.pack_loose_objects()

    def loose(self, kind: bytes, content: bytes) -> str:
        """Write an object of any content; its id."""
        whole = kind + b" " + str(len(content)).encode() + b"\0" + content
        name = sha1(whole).hexdigest()
        place = self.git / "objects" / name[:2] / name[2:]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(zlib.compress(whole, 1))
        return name


def loose_objects(git: Path) -> list[Path]:
    """The files of loose objects."""
    return [path for path in (git / "objects").glob("??/*") if len(path.name) == 38 and os.path.lexists(path)]
