"""A repository that somebody else wrote: nothing it names is run, nothing elsewhere read, nothing huge unpacked."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from hashlib import sha1
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from dulwich.pack import write_pack_index

from renderer.errors import UsageError
from renderer.history import checkout as checkouts
from renderer.history.checkout import check_out
from renderer.history.revisions import open_history
from tests.history.repositories import LINK, MODULE, Repository, loose_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SPEC = b'title = "A song"\ncaption = "piano"\nlyrics_file = "words.txt"\n'


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "songs")


def files_at(
    repository: Repository, tmp_path: Path, revision: str = "HEAD"
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What is written of a revision, and what is told of it."""
    into = tmp_path / "into"
    with open_history(repository.folder) as history:
        found = check_out(history, history.commit(revision), PurePosixPath("specs"), into)
    written = {path.relative_to(into).as_posix(): path.read_bytes() for path in into.rglob("*") if path.is_file()}
    return written, found.remarks


def refusal(repository: Repository, tmp_path: Path) -> UsageError:
    with pytest.raises(UsageError) as refused:
        files_at(repository, tmp_path)
    return refused.value


def test_nothing_that_config_and_attributes_name_is_run(repository: Repository, tmp_path: Path) -> None:
    mark, script = tmp_path / "was-run", tmp_path / "run"
    script.write_text(f"#!{sys.executable}\nimport pathlib\npathlib.Path({str(mark)!r}).touch()\n")
    script.chmod(0o755)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # who opens it to read waits for ever
    run = str(script)
    attributes = b"* filter=evil diff=evil text eol=crlf working-tree-encoding=UTF-16 ident\n"
    (repository.git / "info").mkdir(exist_ok=True)
    (repository.git / "info" / "attributes").write_bytes(attributes)
    files = {b".gitattributes": attributes, b"specs/.gitattributes": attributes, b"specs/a.toml": SPEC}
    repository.commit_files(files | {b"specs/words.txt": b"$Id$\nla la\n"})
    # From here on whoever reads its config hangs.
    (repository.git / "config").write_text(
        f"""
[core]
    repositoryformatversion = 1
    fsmonitor = {run}
    hooksPath = {tmp_path}
    pager = {run}
    editor = {run}
    sshCommand = {run}
    gitProxy = {run}
    worktree = /
    attributesFile = {pipe}
    excludesFile = {pipe}
[extensions]
    partialClone = evil
    worktreeConfig = true
[remote "evil"]
    url = ext::{run}
    promisor = true
[include]
    path = {pipe}
[includeIf "gitdir:/"]
    path = {pipe}
[filter "evil"]
    clean = {run}
    smudge = {run}
    process = {run}
    required = true
[diff "evil"]
    textconv = {run}
    command = {run}
[credential]
    helper = !{run}
[gpg]
    program = {run}
[alias]
    log = !{run}
"""
    )
    (repository.git / "config.worktree").symlink_to(pipe)
    for hook in ("post-checkout", "pre-commit", "fsmonitor-watchman", "reference-transaction"):
        (repository.git / "hooks").mkdir(exist_ok=True)
        (repository.git / "hooks" / hook).write_bytes(script.read_bytes())
        (repository.git / "hooks" / hook).chmod(0o755)
    for cache in ("pack/multi-pack-index", "info/commit-graph"):
        (repository.git / "objects" / cache).parent.mkdir(exist_ok=True)
        (repository.git / "objects" / cache).write_bytes(b"MIDX\1\1\xff\xffno such thing")

    written, remarks = files_at(repository, tmp_path)

    assert written == {"specs/a.toml": SPEC, "specs/words.txt": b"$Id$\nla la\n"}
    assert remarks == ()
    assert not mark.exists()


def test_borrowed_objects_are_not_read_and_it_is_told_how_to_have_them(tmp_path: Path, repository: Repository) -> None:
    other = Repository(tmp_path / "other")
    other.commit_files({b"specs/a.toml": b"title = 'secret'"})
    (repository.git / "objects" / "info").mkdir(exist_ok=True)
    (repository.git / "objects" / "info" / "alternates").write_text(f"{other.git / 'objects'}\n")
    repository.ref("refs/heads/main", other.head)

    told = refusal(repository, tmp_path)

    assert "borrows from another" in told.why
    assert told.help.startswith("git repack -a -d")


def test_replacements_and_grafts_change_nothing(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit_files({b"specs/a.toml": b"title = 'first'"})
    second = repository.commit_files({b"specs/a.toml": b"title = 'second'"})
    other = repository.commit_files({b"specs/a.toml": b"title = 'other'"}, parents=[])
    repository.ref("refs/heads/main", second)
    repository.ref(f"refs/replace/{second}", other)
    repository.ref(f"refs/replace/{first}", other)
    (repository.git / "info").mkdir(exist_ok=True)
    (repository.git / "info" / "grafts").write_text(f"{second} {other}\n")

    assert files_at(repository, tmp_path, "HEAD~1")[0] == {"specs/a.toml": b"title = 'first'"}


def test_links_in_the_tree_are_told_of_and_lead_nowhere(repository: Repository, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    repository.commit_files(
        {
            b"specs/a.toml": SPEC,
            b"specs/words.txt": (LINK, str(secret).encode()),
            b"specs/linked.toml": (LINK, b"a.toml"),
            b"specs/more": (LINK, b"/"),
            b"specs/module": (MODULE, b"1" * 40),
        }
    )
    written, remarks = files_at(repository, tmp_path)
    assert written == {"specs/a.toml": SPEC}
    assert set(remarks) == {
        f"`specs/{name}` is a link, which isn't followed" for name in ("words.txt", "linked.toml", "more")
    }


def _tree(*entries: tuple[bytes, bytes, str]) -> bytes:
    return b"".join(mode + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries)


def test_no_file_gets_a_name_that_leads_elsewhere(repository: Repository, tmp_path: Path) -> None:
    spec = repository.loose(b"blob", b"title = 'x'")
    names = (b"..", b".", b".git", b".GIT", b"a/../../b.toml", b"/b.toml", b"", b"new\nline\x1b[31m.toml", b"\xff.toml")
    inner = _tree(*((b"100644", name, spec) for name in names), (b"40000", b"..", spec))
    specs = repository.loose(b"tree", inner)
    repository.commit_of(repository.loose(b"tree", _tree((b"40000", b"specs", specs))).encode())

    written, remarks = files_at(repository, tmp_path)

    assert [os.fsencode(name) for name in written] == [b"specs/new\nline\x1b[31m.toml", b"specs/\xff.toml"] or [
        os.fsencode(name) for name in sorted(written)
    ] == sorted([b"specs/new\nline\x1b[31m.toml", b"specs/\xff.toml"])
    assert not any(character in remark for remark in remarks for character in "\n\x1b")
    assert not (tmp_path / "b.toml").exists()


def test_paths_in_specs_that_lead_out_are_not_looked_up(repository: Repository, tmp_path: Path) -> None:
    out = (
        b'lyrics_file = "../../../../etc/passwd"\ncaption = "/etc/passwd"\ntitle = "~/x"\n[metas]\nx = "../words.txt"\n'
    )
    repository.commit_files({b"specs/a.toml": out, b"words.txt": b"la", b"secret.txt": b"no one names it"})
    assert set(files_at(repository, tmp_path)[0]) == {"specs/a.toml", "words.txt"}


def test_a_tree_that_unfolds_to_billions_is_refused(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkouts, "MAX_ENTRIES", 5_000)
    inner = repository.loose(b"tree", _tree((b"100644", b"a.toml", repository.loose(b"blob", b"x = 1"))))
    for _ in range(10):
        inner = repository.loose(b"tree", _tree(*((b"40000", f"{n}".encode(), inner) for n in range(10))))
    repository.commit_of(repository.loose(b"tree", _tree((b"40000", b"specs", inner))).encode())
    assert refusal(repository, tmp_path).message == "`specs` holds more than specs"


def test_specs_that_name_more_than_a_disk_holds_are_refused(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkouts, "MAX_BYTES_IN_ALL", 100_000)
    sounds = {f"specs/{number}.wav".encode(): bytes(30_000) for number in range(4)}
    specs = {f"specs/{number}.toml".encode(): f'reference_audio = "{number}.wav"'.encode() for number in range(4)}
    repository.commit_files(specs | sounds)
    assert refusal(repository, tmp_path).help == "keep audio in LFS, or out of git"


def _commit_of(repository: Repository, **specs: str) -> None:
    """A commit whose specs are these blobs."""
    entries = ((b"100644", f"{name}.toml".encode(), blob) for name, blob in specs.items())
    inner = repository.loose(b"tree", _tree(*entries))
    repository.commit_of(repository.loose(b"tree", _tree((b"40000", b"specs", inner))).encode())


def _packed(repository: Repository, objects: Mapping[str, tuple[int, int, bytes, bytes]]) -> None:
    """A pack of our own making: name -> kind, the size that it says, what stands before its stream, its stream."""
    content, entries = b"PACK" + struct.pack(">LL", 2, len(objects)), []
    for name, (kind, size, base, stream) in objects.items():
        entries.append((bytes.fromhex(name), len(content), zlib.crc32(b"")))
        first, rest = kind << 4 | size & 15, size >> 4
        while rest:
            content, first, rest = content + bytes([first | 0x80]), rest & 0x7F, rest >> 7
        content += bytes([first]) + base + zlib.compress(stream)
    checksum = sha1(content).digest()
    folder = repository.git / "objects" / "pack"
    (folder / "pack-x.pack").write_bytes(content + checksum)
    with (folder / "pack-x.idx").open("wb") as file:
        write_pack_index(file, sorted(entries), checksum)


def _number(value: int) -> bytes:
    return bytes([value & 0x7F | (0x80 if value >> 7 else 0)]) + (_number(value >> 7) if value >> 7 else b"")


HUGE = 1 << 34


def _loose(repository: Repository) -> str:
    name = sha1(b"huge").hexdigest()
    place = repository.git / "objects" / name[:2] / name[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(zlib.compress(f"blob {HUGE}\0".encode()))
    return name


def _whole(repository: Repository) -> str:
    name = sha1(b"huge").hexdigest()
    _packed(repository, {name: (3, HUGE, b"", b"")})
    return name


def _delta(repository: Repository) -> str:
    """A few bytes that make a song's worth of disks of a base that is as small."""
    base, name = sha1(b"base").hexdigest(), sha1(b"huge").hexdigest()
    delta = _number(5) + _number(HUGE) + bytes([0x91, 0, 5]) * 100
    _packed(repository, {base: (3, 5, b"", b"small"), name: (7, len(delta), bytes.fromhex(base), delta)})
    return name


@pytest.mark.parametrize("make", [_loose, _whole, _delta], ids=lambda one: one.__name__)
def test_what_is_too_large_is_left_out_and_never_unpacked(
    repository: Repository, tmp_path: Path, make: Callable[[Repository], str]
) -> None:
    _commit_of(repository, a=make(repository), b=repository.loose(b"blob", b"title = 'x'"))

    written, remarks = files_at(repository, tmp_path)

    assert set(written) == {"specs/b.toml"}
    assert remarks == ("`specs/a.toml` is too large to be read from git",)


def _more_than_it_says(repository: Repository) -> str:
    name = sha1(b"liar").hexdigest()
    place = repository.git / "objects" / name[:2] / name[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(zlib.compress(b"blob 10\0" + bytes(70 << 20), 1))
    return name


def _something_else(repository: Repository) -> str:
    name, other = repository.loose(b"blob", b"title = 'x'"), repository.loose(b"blob", b"title = 'y'")
    objects = repository.git / "objects"
    (objects / other[:2] / other[2:]).replace(objects / name[:2] / name[2:])
    return name


def _itself(repository: Repository) -> str:
    name = sha1(b"ring").hexdigest()
    _packed(repository, {name: (7, 2, bytes.fromhex(name), _number(5) + _number(5))})
    return name


def _circle(repository: Repository) -> str:
    names = [sha1(one).hexdigest() for one in (b"one", b"two")]
    delta = _number(5) + _number(5) + b"\x05hello"
    _packed(
        repository,
        {names[0]: (7, 8, bytes.fromhex(names[1]), delta), names[1]: (7, 8, bytes.fromhex(names[0]), delta)},
    )
    return names[0]


def _nowhere(repository: Repository) -> str:
    del repository
    return sha1(b"nowhere").hexdigest()


@pytest.mark.parametrize(
    "make", [_more_than_it_says, _something_else, _itself, _circle, _nowhere], ids=lambda one: one.__name__
)
def test_an_object_that_is_not_what_its_name_says_is_told_as_damage(
    repository: Repository, tmp_path: Path, make: Callable[[Repository], str]
) -> None:
    _commit_of(repository, a=make(repository))
    told = refusal(repository, tmp_path)
    assert "git's files are damaged" in told.why
    assert told.help.startswith("git fsck")


@pytest.mark.parametrize("ending", ["pack", "idx"])
@pytest.mark.parametrize("cut", [0, 20, 200, -40])
def test_a_damaged_pack_is_told_in_a_line(repository: Repository, tmp_path: Path, ending: str, cut: int) -> None:
    repository.commit_files({b"specs/a.toml": SPEC, b"specs/words.txt": bytes(range(256)) * 40})
    repository.pack()
    (file,) = (repository.git / "objects" / "pack").glob(f"*.{ending}")
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content[:cut])

    told = refusal(repository, tmp_path)

    assert "damaged" in told.why
    assert told.help.startswith("git fsck")


def test_loose_objects_that_are_cut_are_told_in_a_line(repository: Repository, tmp_path: Path) -> None:
    repository.commit_files({b"specs/a.toml": SPEC})
    for number, file in enumerate(loose_objects(repository.git)):
        content = file.read_bytes()
        file.chmod(0o644)
        for cut in (0, 5, len(content) // 2):
            file.write_bytes(content[:cut])
            assert "damaged" in refusal(repository, tmp_path / f"{number}-{cut}").why
        file.write_bytes(content)


def test_audio_in_lfs_is_not_taken_for_the_pointer_to_it(repository: Repository, tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    repository.commit_files({b"specs/a.toml": b'reference_audio = "voice.wav"', b"specs/voice.wav": pointer})
    written, remarks = files_at(repository, tmp_path)
    assert set(written) == {"specs/a.toml"}
    assert remarks == ("`specs/voice.wav` is in LFS, and not in the working folder",)

    (repository.folder / "specs").mkdir()
    (repository.folder / "specs" / "voice.wav").write_bytes(b"sound")
    _, remarks = files_at(repository, tmp_path / "again")
    assert remarks == ("`specs/voice.wav` is in LFS: the file of the working folder stands for it",)
