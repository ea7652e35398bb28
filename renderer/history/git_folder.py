"""Where the history of a folder is kept: the git folder of the repository around it, as far as it may be trusted.

Whoever sent a project wrote its `.git`, too. Nothing of it is run and its config isn't read; and what it says lies
elsewhere is followed only where that place knows of it: a worktree or a submodule of git's own making.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.files import is_folder, read_regular, real

if TYPE_CHECKING:
    from pathlib import Path

GIT = ".git"
_MOST_BYTES = 64 * 1024  # of a file that holds one path
_READ = ("HEAD", "objects", "objects/pack", "refs", "packed-refs", "shallow")
"""What is read in a git folder; none of it may lead elsewhere."""
_WORKTREES, _MODULES = "worktrees", "modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFolder:
    """Where a repository keeps its history."""

    root: Path
    """The working folder, resolved."""
    own: Path
    """Where its HEAD is."""
    common: Path
    """Where objects and references are: the same, but for a worktree."""

    @property
    def is_shallow(self) -> bool:
        """Whether the history before some commits was left out when it was cloned."""
        return (self.common / "shallow").exists()


def git_folder(folder: Path) -> GitFolder:
    """The repository that a folder lies in.

    Raises: UsageError where there is none, or one that isn't read.
    """
    here = real(folder)
    for above in (here, *here.parents):
        if os.path.lexists(above / GIT):
            return _checked(above)
        if _is_git_folder(above):
            raise UsageError(
                f"`{above}` is a bare repository",
                why="it has no working folder, and so no specs to compare with",
                help=f"git clone '{above}' my-songs, then ask in my-songs",
            )
    raise UsageError(
        f"`{here}` is in no git repository",
        why="there is no history to compare with",
        help="git init, then commit the specs; two takes are compared without: renderer diff TAKE TAKE",
    )


def _checked(root: Path) -> GitFolder:
    found = _of(root)
    for place in dict.fromkeys((found.own, found.common)):
        _refuse_links(place)
    if is_folder(found.common / "reftable"):
        raise UsageError(
            f"the repository `{root}` keeps its references in a reftable",
            why="which can't be read here",
            help="git refs migrate --ref-format=files",
        )
    return found


def _of(root: Path) -> GitFolder:
    place = root / GIT
    if place.is_symlink():
        raise UsageError(
            f"`{place}` is a link",
            why="it may lead to anybody's history, so it isn't followed",
            help="ask in the folder that it leads to",
        )
    if is_folder(place):
        if (place / "commondir").exists():
            raise _stranger(place, "its `commondir` leads elsewhere")
        if not _is_git_folder(place):
            raise UsageError(f"`{place}` is no git folder", why="it has no HEAD, objects or refs", help="git fsck")
        return GitFolder(root=root, own=place, common=place)
    own = real(root / _path_in(place, "gitdir: "))
    return _worktree(root, place, own) or _submodule(root, own) or _refuse(place, own)


def _worktree(root: Path, place: Path, own: Path) -> GitFolder | None:
    """What `git worktree add` made: its repository knows the folder, and holds it below `worktrees`."""
    if own.parent.name != _WORKTREES or not (own / "commondir").is_file():
        return None
    common = own.parent.parent
    knows = real(own / _path_in(own / "commondir")) == common and real(own / _path_in(own / "gitdir")) == place
    return GitFolder(root=root, own=own, common=common) if knows and _is_git_folder(common) else None


def _submodule(root: Path, own: Path) -> GitFolder | None:
    """What `git submodule add` made: it lies below `modules` in the git folder of the repository around it."""
    around = next((above for above in root.parents if os.path.lexists(above / GIT)), None)
    if around is None or not _is_git_folder(own) or (own / "commondir").exists():
        return None
    return GitFolder(root=root, own=own, common=own) if own.is_relative_to(_of(around).own / _MODULES) else None


def _refuse(place: Path, own: Path) -> GitFolder:
    raise _stranger(place, f"it leads to `{own}`, which is no worktree or submodule that knows of it")


def _stranger(place: Path, why: str) -> UsageError:
    return UsageError(
        f"`{place}` isn't followed", why=why, help="after a move: git worktree repair; else ask in a clone: git clone"
    )


def _is_git_folder(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and is_folder(folder / "objects") and is_folder(folder / "refs")


def _refuse_links(place: Path) -> None:
    packs = place / "objects" / "pack"
    odd = [name for name in _READ if _is_odd(place / name)]
    odd += [f"objects/pack/{one.name}" for one in packs.iterdir() if _is_odd(one)] if not odd and packs.exists() else []
    if odd:
        raise UsageError(
            f"`{place / odd[0]}` is a link, or no file at all",
            why="it may lead to anybody's history, so it isn't followed",
            help="git clone the repository, and ask in the clone",
        )


def _is_odd(path: Path) -> bool:
    return path.is_symlink() or (os.path.lexists(path) and not (path.is_file() or path.is_dir()))


def _path_in(file: Path, head: str = "") -> str:
    """The path that a file of git's holds.

    Raises: UsageError where it holds none.
    """
    try:
        text = os.fsdecode(read_regular(file)[:_MOST_BYTES])
    except OSError as error:
        raise UsageError(f"`{file}` can't be read", why=str(error)) from error
    path = text.removeprefix(head).rstrip("\r\n")
    if not text.startswith(head) or not path or "\0" in path or "\n" in path:
        raise UsageError(f"`{file}` names no folder", why="git writes one line into it", help="git worktree repair")
    return path
