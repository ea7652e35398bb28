"""Revisions by the names people give them, and one line of advice for those that aren't there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from renderer.errors import UsageError
from renderer.history.revisions import open_history
from tests.history.repositories import Repository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "songs")


def three(repository: Repository) -> list[str]:
    return [repository.commit_files({b"specs/a.toml": f"# {number}".encode()}) for number in range(3)]


def commit_of(folder: Path, revision: str) -> str:
    with open_history(folder) as history:
        return history.commit(revision)


def refusal(folder: Path, revision: str) -> UsageError:
    with pytest.raises(UsageError) as refused, open_history(folder) as history:
        history.commit(revision)
    return refused.value


@pytest.mark.parametrize("packed", [False, True])
def test_commits_are_found_by_every_name_they_have(repository: Repository, packed: bool) -> None:
    first, second, third = three(repository)
    side = repository.commit_files({b"x": b"side"}, parents=[first])
    merged = repository.commit_files({b"x": b"merged"}, parents=[third, side])
    repository.tag("v1.0", second)
    repository.ref("refs/remotes/origin/main", second)
    repository.ref("refs/heads/bridge/new", third)
    if packed:
        repository.pack()
    named = {
        "HEAD": merged,
        "@": merged,
        "main": merged,
        "HEAD~1": third,
        "@~2": second,
        "HEAD^": third,
        "HEAD^2": side,
        "HEAD^2~1": first,
        "HEAD~~^0": second,
        "v1.0": second,
        "v1.0^{commit}~1": first,
        "refs/tags/v1.0": second,
        "origin/main": second,
        "bridge/new": third,
        second: second,
        second[:7]: second,
        second[:7].upper(): second,
    }
    assert {name: commit_of(repository.folder, name) for name in named} == named


@pytest.mark.parametrize(
    ("revision", "message", "help_"),
    [
        ("mian", "there is no revision `mian`", "did you mean `main`?"),
        ("nowhere", "there is no revision `nowhere`", "git log --oneline shows which there are"),
        ("HEAD~3", "`HEAD~3` is before the first commit", "git log --oneline shows which there are"),
        ("HEAD^2", "`HEAD^2`: the commit has 1 parent", "git log --oneline shows which there are"),
        ("HEAD~1..HEAD", "`HEAD~1..HEAD` is a range", "renderer diff --rev HEAD~1 HEAD"),
        ("..main", "`..main` is a range", "renderer diff --rev HEAD main"),
        ("v1...", "`v1...` is a range", "renderer diff --rev v1 HEAD"),
        ("../x", "`../x` is a range", "name a commit, a branch or a tag"),
        ("..", "`..` is a range", "name a commit, a branch or a tag"),
        ("HEAD@{1}", "`HEAD@{1}` is no revision", "name a commit, a branch or a tag"),
        ("HEAD:specs", "`HEAD:specs` is no revision", "name a commit, a branch or a tag"),
        ("\x1b[31mred", r"there is no revision `\x1b[31mred`", "git log"),
        ("../../../etc/passwd", "`../../../etc/passwd` is a range", ""),
        ("~1", "there is no revision `~1`", "git log"),
        ("", "there is no revision ``", "git log"),
    ],
)
def test_what_is_no_commit_is_told_in_a_line(repository: Repository, revision: str, message: str, help_: str) -> None:
    three(repository)
    told = refusal(repository.folder, revision)
    assert told.message.startswith(message)
    assert told.help.startswith(help_)


def test_a_file_is_no_revision(repository: Repository) -> None:
    name = repository.loose(b"blob", b"a file")
    three(repository)
    assert refusal(repository.folder, name).why == "it names a blob"


def test_several_commits_of_one_beginning_are_named(repository: Repository) -> None:
    three(repository)
    tree = repository.loose(b"tree", b"")
    told_of = f"tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n"
    made = [repository.loose(b"commit", f"{told_of}{number}".encode()) for number in range(600)]
    heads = [one[:4] for one in made]
    twice = next((head for head in heads if heads.count(head) > 1), None)
    assert twice, "600 commits whose ids begin alike nowhere"
    told = refusal(repository.folder, twice)
    assert told.message == f"`{twice}` may be several commits"
    assert all(one[:8] in told.why for one in made if one.startswith(twice))


def test_a_repository_without_commits_says_so(repository: Repository) -> None:
    told = refusal(repository.folder, "HEAD")
    assert told.message == "the repository has no commits yet"


def test_a_shallow_clone_tells_how_to_get_the_rest(repository: Repository) -> None:
    first, second, third = three(repository)
    (repository.git / "shallow").write_text(f"{second}\n")
    shutil.rmtree(repository.git / "objects" / first[:2])
    assert commit_of(repository.folder, "HEAD~1") == second
    for revision in ("HEAD~2", first, "v0.9"):
        told = refusal(repository.folder, revision)
        assert told.message == f"there is no revision `{revision}` in this clone"
        assert told.help == "git fetch --unshallow"
    assert third


def test_names_by_sha256_are_told(repository: Repository) -> None:
    three(repository)
    repository.ref("refs/heads/main", "8f69f735b59efa6c2d5969235344bfec87746625875a1da5dbc8f87d4209e1ed")
    assert refusal(repository.folder, "HEAD").message.endswith("names its commits by SHA-256")


def test_a_name_that_leads_back_to_itself_is_told(repository: Repository) -> None:
    three(repository)
    repository.ref("refs/heads/one", "ref: refs/heads/two")
    repository.ref("refs/heads/two", "ref: refs/heads/one")
    assert refusal(repository.folder, "one").message == "`one` leads in a circle"
    (repository.git / "HEAD").write_text("ref: HEAD\n")
    assert refusal(repository.folder, "HEAD").message == "`HEAD` leads in a circle"
