"""What is written into a user's own files changes what it must, and nothing else of them."""

from __future__ import annotations

import errno
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from renderer.errors import StoreError, UsageError
from renderer.store.disk import is_temp
from renderer.store.edits import create, edit, rehearse
from tests.store.disks import FailingDisk

if TYPE_CHECKING:
    from pathlib import Path

MARK = b"\xef\xbb\xbf"


def shout(text: str) -> str:
    """A new first line, and another word in one of the others."""
    return "new = 1\n" + text.replace("calm", "LOUD")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a = 1\ncalm = 2\n", b"new = 1\na = 1\nLOUD = 2\n"),
        (b"a = 1\r\ncalm = 2\r\n", b"new = 1\r\na = 1\r\nLOUD = 2\r\n"),
        (b"a = 1\r\ncalm = 2", b"new = 1\r\na = 1\r\nLOUD = 2"),
        (MARK + b"a = 1\ncalm = 2\n", MARK + b"new = 1\na = 1\nLOUD = 2\n"),
        (MARK + b"a = 1\r\ncalm = 2\r\n", MARK + b"new = 1\r\na = 1\r\nLOUD = 2\r\n"),
        # Of both kinds: lines keep theirs, changed ones too, new ones take the commoner.
        (b"a = 1\r\nb = 2\nc = 3\r\ncalm = 4\n", b"new = 1\na = 1\r\nb = 2\nc = 3\r\nLOUD = 4\n"),
        (b"a = 1\r\nb = 2\r\nc = 3\ncalm = 4\r\nd", b"new = 1\r\na = 1\r\nb = 2\r\nc = 3\nLOUD = 4\r\nd"),
        (b"\r\n\r\ncalm\n\r\n", b"new = 1\r\n\r\n\r\nLOUD\n\r\n"),
        (b"", b"new = 1\n"),
    ],
)
def test_line_ends_and_byte_order_mark_stay(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "song.toml"
    path.write_bytes(before)

    edit(path, shout)

    assert path.read_bytes() == after


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o200 | 0o444])
def test_the_mode_stays(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "song.toml"
    path.write_text("calm\n")
    path.chmod(mode)

    edit(path, shout)

    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_stays_one_and_what_it_leads_to_is_edited(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / "real.toml"
    real.write_text("calm\n")
    link = tmp_path / "song.toml"
    link.symlink_to("elsewhere/real.toml")

    edit(link, shout)

    assert link.is_symlink()
    assert real.read_text() == "new = 1\nLOUD\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "song.toml"]


def test_another_name_of_the_same_file_is_not_left_behind(tmp_path: Path) -> None:
    path, other = tmp_path / "song.toml", tmp_path / "backup.toml"
    path.write_text("calm calm calm\n" * 10)
    other.hardlink_to(path)

    edit(path, lambda text: text[:5])

    assert other.read_text() == "calm "
    assert other.samefile(path)


def test_a_read_only_file_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "song.toml"
    path.write_text("calm\n")
    path.chmod(0o444)

    for attempt in (edit, rehearse):
        with pytest.raises(StoreError, match="read-only"):
            attempt(path, shout)

    assert path.read_text() == "calm\n"
    assert [one.name for one in tmp_path.iterdir()] == ["song.toml"]
    edit(path, lambda text: text)  # nothing to write, nothing to refuse


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"caf\xe9"])
def test_what_is_no_text_is_refused_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.toml"
    path.write_bytes(content)

    with pytest.raises(UsageError, match="UTF-8"):
        edit(path, shout)

    assert path.read_bytes() == content


def test_a_text_that_is_none_in_utf_8_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    odd = "a\udcffb"  # as a command line gives a byte that is none of UTF-8's
    path, new = tmp_path / "song.toml", tmp_path / "new.toml"
    path.write_text("calm\n")

    for attempt in (
        lambda: edit(path, lambda text: text + odd),
        lambda: edit(new, lambda text: text + odd),
        lambda: create({tmp_path / "first.toml": "calm\n", new: odd}),
    ):
        with pytest.raises(UsageError, match="can't hold") as caught:
            attempt()
        assert caught.value.help == "write it in UTF-8"

    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("song.toml", "calm\n")]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "loop.toml").symlink_to("loop.toml")

    for name in ("pipe.toml", "folder.toml", "loop.toml"):
        with pytest.raises(StoreError, match=name):
            edit(tmp_path / name, shout)


def test_what_somebody_else_saves_meanwhile_is_edited_and_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "song.toml"
    path.write_text("calm\n")
    saved = iter(["calm, second thoughts\n", "calm, third thoughts\n"])

    def change(text: str) -> str:
        if later := next(saved, None):
            # As editors do: a new file under the old name.
            (tmp_path / "new").write_text(later)
            (tmp_path / "new").replace(path)
        return shout(text)

    edit(path, change)

    assert path.read_text() == "new = 1\nLOUD, third thoughts\n"


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_whatever_operation_the_disk_refuses_the_file_is_whole(tmp_path: Path, error_number: int) -> None:
    watched = FailingDisk(error_number, first=1_000_000)
    path = tmp_path / "counted" / "song.toml"
    create({path: "calm\n"}, disk=watched)
    edit(path, shout, disk=watched)

    for position in range(len(watched.operations)):
        folder = tmp_path / str(position)
        path = folder / "song.toml"
        disk = FailingDisk(error_number, first=position, last=1_000_000)
        try:
            create({path: "calm\n", folder / "other.toml": "other\n"}, disk=disk)
            edit(path, shout, disk=disk)
        except StoreError as error:
            assert error.why.lower() == os.strerror(error_number).lower()  # noqa: PT017 - not every one is refused
            assert error.help  # noqa: PT017 - as above
        found = {one.name: one.read_text() for one in folder.iterdir()} if folder.exists() else {}
        assert found.get("song.toml") in (None, "calm\n", "new = 1\nLOUD\n"), found
        assert set(found.values()) <= {"calm\n", "other\n", "new = 1\nLOUD\n"}, found


def test_new_files_come_all_or_none_and_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "specs" / "b.toml"
    mine.parent.mkdir()
    mine.write_text("mine")

    with pytest.raises(UsageError, match="already there"):
        create({tmp_path / "specs" / name: "new" for name in ("a.toml", "b.toml", "c.toml")})

    assert [path.name for path in mine.parent.iterdir()] == ["b.toml"]
    assert mine.read_text() == "mine"


def test_what_a_killed_writer_left_goes_with_the_next_edit_and_what_only_looks_like_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "song.toml"
    path.write_text("calm\n")
    ours = [".tmp-0123456789abcdef.toml", ".tmp-fedcba9876543210"]
    theirs = [".tmp-notes", ".tmp-0123456789abcdef.toml.bak", ".tmp-0123456789ABCDEF.toml", ".tmp-0123.toml", ".tmp-"]
    for name in (*ours, *theirs):
        (tmp_path / name).write_text("x")
    (tmp_path / ".tmp-aaaaaaaaaaaaaaaa.toml").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / ours[0]).write_text("x")

    edit(path, shout)

    left = {one.name for one in tmp_path.iterdir()}
    assert left == {"song.toml", "below", ".tmp-aaaaaaaaaaaaaaaa.toml", *theirs}
    assert (tmp_path / "below" / ours[0]).exists(), "another folder is another writer's"
    assert all(is_temp(name) for name in ours)


def test_threads_of_one_process_wait_for_each_other_too(tmp_path: Path) -> None:
    path = tmp_path / "count.toml"

    def add() -> None:
        edit(path, lambda text: f"{text}line\n")

    threads = [threading.Thread(target=add) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_text() == "line\n" * 32
    assert [one.name for one in tmp_path.iterdir()] == ["count.toml"]
