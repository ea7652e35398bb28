"""Revisions as people name them (`HEAD~3`, `v1.0`, `main`, `4f2a9c1`) -> commits, and what lies in their trees."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING, Literal

from dulwich.objects import Blob, Commit, ObjectID, Tag, Tree, valid_hexsha
from dulwich.objectspec import parse_ref
from dulwich.refs import HEADREF, DiskRefsContainer, Ref, SymrefLoop

from renderer.errors import RendererError, UsageError
from renderer.files import is_regular, real
from renderer.history.git_folder import git_folder
from renderer.history.objects import Damaged, Objects, TooLarge
from renderer.plurals import counted
from renderer.spec.diagnostics import printable
from renderer.spec.near import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dulwich.objects import ShaFile

    from renderer.history.git_folder import GitFolder

_REVISION = re.compile(r"(?P<base>[^~^]+)(?P<steps>(?:~\d{0,6}|\^\d{0,3}|\^\{(?:commit)?\})*)", re.DOTALL)
_STEP = re.compile(r"([~^])(\d*)(?!\{)")
_SHORT = re.compile(r"[0-9a-fA-F]{4,40}")
_SHA256 = 64  # digits
_MOST_NAMES = 10_000  # references among which a near name is looked for

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
        self._refs = _Refs(folder.common, folder.own)
        self._trees: dict[ObjectID, tuple[TreeEntry, ...]] = {}

    def close(self) -> None:
        """Let go of its files."""
        self._objects.close()

    def commit(self, revision: str) -> str:
        """The commit that a revision names: its full id.

        Raises: UsageError for one that isn't there or can't be read.
        """
        with self._in_words(revision):
            return self._commit(revision).id.decode()

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
            tree: ObjectID = self._commit(commit).tree
            return tree

    def _commit(self, revision: str) -> Commit:
        _refuse_other(revision)
        parts = _REVISION.fullmatch(revision)
        if parts is None:
            raise self._unknown(revision)
        commit = self._peeled(self._named(revision, parts["base"]), revision)
        for sign, number in _STEP.findall(parts["steps"]):
            commit = self._walked(commit, revision, sign, int(number or 1))
        return commit

    def _walked(self, commit: Commit, revision: str, sign: str, number: int) -> Commit:
        """`~3` is the first parent's first parent's first parent, `^2` the second parent."""
        places = [0] * number if sign == "~" else [number - 1] if number else []
        for place in places:
            if commit.id in self._shallow:
                raise self._too_early(revision)
            if place >= len(commit.parents):
                raise UsageError(
                    f"`{printable(revision)}` is before the first commit"
                    if not commit.parents
                    else f"`{printable(revision)}`: the commit has {counted(len(commit.parents), 'parent')}",
                    help="git log --oneline shows which there are",
                )
            commit = self._peeled(commit.parents[place], revision)
        return commit

    def _peeled(self, sha: ObjectID, revision: str) -> Commit:
        found: ShaFile = self._objects[sha]
        while isinstance(found, Tag):
            found = self._objects[found.object[1]]
        if isinstance(found, Commit):
            return found
        raise UsageError(f"`{printable(revision)}` is no commit", why=f"it names a {found.type_name.decode()}")

    def _named(self, revision: str, base: str) -> ObjectID:
        name = os.fsencode("HEAD" if base == "@" else base)
        if len(name) == 40 and valid_hexsha(name):  # noqa: PLR2004 - a whole id
            whole = ObjectID(name.lower())
            if whole not in self._objects:
                raise self._unknown(revision)
            return whole
        try:
            sha = self._refs[parse_ref(self._refs, name)]
        except KeyError:
            return self._short(revision, base)
        if len(sha) == _SHA256:
            raise UsageError(
                f"`{self.folder.root}` names its commits by SHA-256",
                why="which can't be read here",
                help="keep the songs in a repository that git made with its usual --object-format=sha1",
            )
        if not valid_hexsha(sha):
            raise Damaged(f"the reference `{printable(base)}` names no commit")
        return sha

    def _short(self, revision: str, base: str) -> ObjectID:
        """By the beginning of a commit's id."""
        every = self._objects.iter_prefix(base.lower().encode()) if _SHORT.fullmatch(base) else ()
        found = [sha for sha in every if isinstance(self._objects[sha], Commit | Tag)]
        if len(found) > 1:
            names = ", ".join(sha.decode()[: len(base) + 4] for sha in sorted(found)[:4])
            raise UsageError(f"`{base}` may be several commits", why=names, help="write more of its id")
        if not found:
            raise self._unknown(revision)
        return found[0]

    @cached_property
    def _shallow(self) -> frozenset[ObjectID]:
        """The commits whose parents were left out."""
        file = self.folder.common / "shallow"
        return frozenset(file.read_bytes().split()) if file.is_file() else frozenset()  # type: ignore[arg-type]  # ids

    def _unknown(self, revision: str) -> UsageError:
        names = [name for ref in self._names() for name in _spellings(ref)]
        if not names and not self._has_head:
            return UsageError(
                "the repository has no commits yet",
                why=f"so `{printable(revision)}` names none",
                help="git add -A, git commit, and ask again after the next change",
            )
        near = suggestion(revision, names)
        if self.folder.is_shallow and not near:
            return self._too_early(revision)
        return UsageError(
            f"there is no revision `{printable(revision)}`",
            why="no branch, tag or commit has that name",
            help=near or "git log --oneline shows which there are",
        )

    def _too_early(self, revision: str) -> UsageError:
        return UsageError(
            f"there is no revision `{printable(revision)}` in this clone",
            why="it is shallow: the history before its beginning was left out",
            help="git fetch --unshallow",
        )

    def _names(self) -> list[str]:
        every = [os.fsdecode(ref) for ref in self._refs.allkeys() if ref.startswith(b"refs/")]
        return every[:_MOST_NAMES]

    @property
    def _has_head(self) -> bool:
        try:
            return self._refs.follow(HEADREF)[1] is not None
        except SymrefLoop:
            return True

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


class _Refs(DiskRefsContainer):
    """References as git keeps them in files; what lies elsewhere, or is no file, is none."""

    def read_loose_ref(self, name: Ref) -> bytes | None:
        """See `DiskRefsContainer`."""
        place = Path(os.fsdecode(self.refpath(name)))
        # Folders on the way may be links, too. The git folder itself is resolved.
        return super().read_loose_ref(name) if real(place) == place and is_regular(place) else None


def _refuse_other(revision: str) -> None:
    """Raises: UsageError for what git takes in some places, and that is no name of one commit."""
    told, name_one = printable(revision), "name a commit, a branch or a tag, with ~ or ^ behind it"
    if ".." in revision:
        first, _, last = revision.partition("..")
        # As git reads it, `A...B` as well: an end that isn't said is where we are.
        ends = (first or "HEAD", last.removeprefix(".") or "HEAD")
        is_of_two = revision.strip(".") and not any(map(_is_other, ends))
        help_ = f"renderer diff --rev {' '.join(map(printable, ends))}" if is_of_two else name_one
        raise UsageError(f"`{told}` is a range", why="one revision is asked for", help=help_)
    if _is_other(revision):
        raise UsageError(
            f"`{told}` is no revision that is read here",
            why="what the reflog, an upstream or a path says isn't looked at",
            help=name_one,
        )


def _is_other(name: str) -> bool:
    """Whether it can be no name of a commit: of a range, the reflog, a path, an option."""
    return name.startswith(("-", "/", ".")) or any(one in name for one in ("..", "@{", ":"))


def _spellings(ref: str) -> tuple[str, ...]:
    """`refs/heads/main` as people write it."""
    for head in ("refs/heads/", "refs/tags/", "refs/remotes/"):
        if ref.startswith(head):
            return (ref.removeprefix(head),)
    return ()


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
