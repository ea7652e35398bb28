"""Revisions as people name them (`HEAD~3`, `v1.0`, `main`, `4f2a9c1`) -> commits."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dulwich.objects import Commit, ObjectID, Tag, valid_hexsha
from dulwich.objectspec import parse_ref
from dulwich.refs import HEADREF, DiskRefsContainer, Ref, SymrefLoop

from renderer.errors import UsageError
from renderer.files import is_regular, real
from renderer.history.objects import Damaged
from renderer.plurals import counted
from renderer.spec.diagnostics import printable
from renderer.spec.near import suggestion

if TYPE_CHECKING:
    from dulwich.objects import ShaFile

    from renderer.history.git_folder import GitFolder
    from renderer.history.objects import Objects

_REVISION = re.compile(r"(?P<base>[^~^]+)(?P<steps>(?:~\d{0,6}|\^\d{0,3}|\^\{(?:commit)?\})*)", re.DOTALL)
_STEP = re.compile(r"([~^])(\d*)(?!\{)")
_SHORT = re.compile(r"[0-9a-fA-F]{4,40}")
_SHA256 = 64  # digits
_MOST_NAMES = 10_000  # references among which a near name is looked for


class RevisionNames:
    """The names that commits of one repository go by."""

    def __init__(self, folder: GitFolder, objects: Objects) -> None:
        self._folder = folder
        self._objects = objects
        self._refs = _Refs(folder.common, folder.own)

    def commit(self, revision: str) -> Commit:
        """The commit that a revision names.

        Raises: UsageError for one that isn't there; what `Objects` and references raise for files that can't be read.
        """
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
                f"`{self._folder.root}` names its commits by SHA-256",
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
        file = self._folder.common / "shallow"
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
        if self._folder.is_shallow and not near:
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
