"""The history of a repository: the commits that revisions name, and what lies in their trees."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import clear_frames
from typing import TYPE_CHECKING, Literal

from dulwich.objects import Blob, ObjectID, Tree
from dulwich.refs import SymrefLoop

from renderer.errors import RendererError, UsageError
from renderer.history.git_folder import git_folder
from renderer.history.objects import Damaged, Objects, TooLarge
from renderer.history.revision_names import RevisionNames
from renderer.spec.diagnostics import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.history.git_folder import GitFolder

EntryKind = Literal["file", "folder", "link", "module"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """Something in a folder of a revision."""

    name: str
    kind: EntryKind
    sha: ObjectID


class History:
    """The commits of one repository; nothing of it is run, and no other place read."""

    def __init__(self, folder: GitFolder) -> None:
        self.folder = folder
        self._objects = Objects.below(folder.common)
        self._names = RevisionNames(folder, self._objects)
        self._trees: dict[ObjectID, tuple[TreeEntry, ...]] = {}

    def close(self) -> None:
        """Let go of its files."""
        self._objects.close()

    def commit(self, revision: str) -> str:
        """The commit that a revision names: its full id.

        Raises: UsageError for one that isn't there or can't be read.
        """
        with self._in_words(revision):
            return self._names.commit(revision).id.decode()

    def entries(self, sha: ObjectID) -> tuple[TreeEntry, ...]:
        """What lies in a folder, in git's order; names that no folder can hold are left out.

        Raises: UsageError.
        """
        if sha not in self._trees:
            with self._in_words(""):
                tree = self._objects[sha]
                if not isinstance(tree, Tree):
                    raise Damaged("it is no folder")
                self._trees[sha] = tuple(_entries(tree))
        return self._trees[sha]

    def at(self, commit: str, path: tuple[str, ...]) -> TreeEntry | None:
        """What a commit has at a path below its root; None for nothing, and behind a link."""
        found = TreeEntry(name="", kind="folder", sha=self._root(commit))
        for name in path:
            if found.kind != "folder":
                return None
            inner = next((one for one in self.entries(found.sha) if one.name == name), None)
            if inner is None:
                return None
            found = inner
        return found

    def content(self, sha: ObjectID) -> bytes | None:
        """A file's content; None where it is larger than any file that is looked at.

        Raises: UsageError.
        """
        with self._in_words(""):
            try:
                blob = self._objects[sha]
            except TooLarge:
                return None
            if not isinstance(blob, Blob):
                raise Damaged("it is no file")
            return blob.data

    def _root(self, commit: str) -> ObjectID:
        with self._in_words(commit):
            tree: ObjectID = self._names.commit(commit).tree
            return tree

    @contextmanager
    def _in_words(self, revision: str) -> Iterator[None]:
        """What the library makes of files that anybody may have written, in words."""
        at = f" of `{printable(revision)}`" if revision else ""
        try:
            yield
        except RendererError:
            raise
        except TooLarge as error:
            raise UsageError(
                f"an object{at} is too large to be read", why=str(error), help="git fsck; keep audio in LFS"
            ) from error
        except SymrefLoop as error:
            raise UsageError(
                f"`{printable(revision)}` leads in a circle",
                why="its reference leads back to itself",
                help="git symbolic-ref HEAD refs/heads/main, or another branch that there is",
            ) from error
        except KeyError as error:
            raise self._missing(at) from error
        except Exception as error:
            # Its frames look into the mapped files, which couldn't be closed before they let go.
            clear_frames(error.__traceback__)
            raise UsageError(
                f"the history{at} can't be read",
                why=f"git's files are damaged: {printable(str(error)) or type(error).__name__}",
                help="git fsck tells more; clone the repository again",
            ) from error

    def _missing(self, at: str) -> UsageError:
        objects = self.folder.common / "objects"
        what = f"an object{at} is missing"
        if (objects / "info" / "alternates").exists():
            return UsageError(
                what,
                why="the repository borrows from another (objects/info/alternates), where nothing is read",
                help="git repack -a -d, then delete that file: from then on it holds all itself",
            )
        if any(objects.glob("pack/*.promisor")):
            return UsageError(
                what, why="the clone is partial: it left files out", help="clone it again without --filter"
            )
        return UsageError(what, why="git's files are damaged", help="git fsck tells more; clone the repository again")


@contextmanager
def open_history(folder: Path) -> Iterator[History]:
    """The history of the repository that a folder lies in.

    Raises: UsageError where there is none, or one that isn't read.
    """
    history = History(git_folder(folder))
    try:
        yield history
    finally:
        history.close()


def _entries(tree: Tree) -> Iterator[TreeEntry]:
    for name, mode, sha in tree.items():
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name or name.lower() == b".git":
            continue
        yield TreeEntry(name=os.fsdecode(name), kind=_kind(mode), sha=sha)


def _kind(mode: int) -> EntryKind:
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISLNK(mode):
        return "link"
    return "file" if stat.S_ISREG(mode) else "module"
