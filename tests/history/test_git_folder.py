"""Which folder's history is read: a repository's own, a worktree's, a submodule's; nobody else's."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from renderer.errors import UsageError
from renderer.history.git_folder import git_folder
from renderer.history.revisions import open_history
from tests.history.repositories import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def other(tmp_path: Path) -> Repository:
    """Somebody's repository, whose history is nobody's business."""
    repository = Repository(tmp_path / "other")
    repository.commit_files({b"specs/secret.toml": b"title = 'secret'"})
    return repository


def worktree_of(main: Repository, folder: Path, *, relative: bool) -> None:
    """As `git worktree add` makes it."""
    own = main.git / "worktrees" / folder.name
    own.mkdir(parents=True)
    folder.mkdir()
    (own / "HEAD").write_text(f"{main.head}\n")
    (own / "commondir").write_text("../..\n")
    (own / "gitdir").write_text(f"{os.path.relpath(folder / '.git', own) if relative else folder / '.git'}\n")
    (folder / ".git").write_text(f"gitdir: {os.path.relpath(own, folder) if relative else own}\n")


def test_a_folder_below_belongs_to_the_repository_around_it(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "songs")
    below = repository.folder / "albums" / "first"
    below.mkdir(parents=True)
    assert git_folder(below).root == repository.folder


@pytest.mark.parametrize("relative", [False, True])
def test_a_worktree_has_its_own_head_and_the_repositorys_history(tmp_path: Path, relative: bool) -> None:
    main = Repository(tmp_path / "songs")
    first = main.commit_files({b"a": b"1"})
    worktree_of(main, tmp_path / "bridge", relative=relative)
    second = main.commit_files({b"a": b"2"})
    with open_history(tmp_path / "bridge") as history:
        assert history.commit("HEAD") == first
        assert history.commit("main") == second


def test_a_submodule_has_its_own_history(tmp_path: Path) -> None:
    around = Repository(tmp_path / "studio")
    around.commit_files({b"a": b"1"})
    songs = Repository(around.folder / "songs")
    inner = songs.commit_files({b"b": b"2"})
    own = around.git / "modules" / "songs"
    own.parent.mkdir()
    songs.git.rename(own)
    (songs.folder / ".git").write_text("gitdir: ../.git/modules/songs\n")
    with open_history(songs.folder) as history:
        assert history.commit("HEAD") == inner


def _link(folder: Path, other: Repository) -> None:
    (folder / ".git").symlink_to(other.git)


def _file(folder: Path, other: Repository) -> None:
    (folder / ".git").write_text(f"gitdir: {other.git}\n")


def _common(folder: Path, other: Repository) -> None:
    shutil.copytree(other.git, folder / ".git", ignore=shutil.ignore_patterns("objects"))
    (folder / ".git" / "objects").mkdir()
    (folder / ".git" / "commondir").write_text(f"{other.git}\n")


def _invented_worktree(folder: Path, other: Repository) -> None:
    own = folder / "evil" / "worktrees" / "x"
    own.mkdir(parents=True)
    (own / "commondir").write_text(f"{other.git}\n")
    (own / "gitdir").write_text(f"{folder / '.git'}\n")
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / ".git").write_text("gitdir: evil/worktrees/x\n")


def _linked_objects(folder: Path, other: Repository) -> None:
    shutil.copytree(other.git, folder / ".git", ignore=shutil.ignore_patterns("objects"))
    (folder / ".git" / "objects").symlink_to(other.git / "objects")


def _pipe(folder: Path, other: Repository) -> None:
    shutil.copytree(other.git, folder / ".git")
    (folder / ".git" / "packed-refs").unlink(missing_ok=True)
    os.mkfifo(folder / ".git" / "packed-refs")


def _empty_file(folder: Path, other: Repository) -> None:
    del other
    (folder / ".git").write_text("")


@pytest.mark.parametrize(
    "make",
    [_link, _file, _common, _invented_worktree, _linked_objects, _pipe, _empty_file],
    ids=lambda one: one.__name__,
)
def test_what_leads_to_anothers_history_is_not_followed(
    tmp_path: Path, other: Repository, make: Callable[[Path, Repository], None]
) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    make(folder, other)
    with pytest.raises(UsageError) as refused, open_history(folder) as history:
        history.commit("main")
    assert refused.value.help
    assert "secret" not in str(refused.value.why)


def test_no_repository_a_bare_one_and_a_reftable_are_told_in_a_line(tmp_path: Path, other: Repository) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    with pytest.raises(UsageError, match="is in no git repository") as refused:
        git_folder(nowhere)
    assert refused.value.help.startswith("git init")
    bare = tmp_path / "bare.git"
    shutil.copytree(other.git, bare)
    with pytest.raises(UsageError, match="is a bare repository"):
        git_folder(bare / "refs")
    (other.git / "reftable").mkdir()
    with pytest.raises(UsageError, match="reftable"):
        git_folder(other.folder)
