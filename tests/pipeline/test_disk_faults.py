"""Whatever operation the disk refuses: a clear error, what was there is still there, and the next run completes."""

from __future__ import annotations

import errno
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.errors import StoreError
from renderer.models.family import stored_kinds
from renderer.store.store import Store
from renderer.store.verify import verify
from tests.pipeline.without_models import carry_out
from tests.store.disks import FailingDisk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.pipeline.project import Project
    from renderer.store.disk import Disk
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow

ENOUGH = 1_000_000


def on(project: Project, disk: Disk) -> Project:
    project.store = Store(project.store.outputs, disk, kinds=stored_kinds())
    return project


def tree(outputs: Path) -> dict[str, object]:
    """Everything but times, journal and the records' order: path -> content."""
    found: dict[str, object] = {}
    for path in sorted(outputs.rglob("*")):
        name = path.relative_to(outputs).as_posix()
        if path.suffix == ".toml":
            found[name] = {key: value for key, value in tomllib.loads(path.read_text()).items() if key != "made"}
        elif path.suffix in {".flac", ".safetensors"}:
            found[name] = path.read_bytes()
        elif path.suffix == ".json":
            found[name] = None
    return found


def edit_after_a_render(songs: Songs) -> None:
    songs.write("eins")
    carry_out(songs.project())
    songs.edit("eins", "calm piano", "wild piano")


def edit_back(songs: Songs) -> None:
    edit_after_a_render(songs)
    carry_out(songs.project())
    songs.edit("eins", "wild piano", "calm piano")


@pytest.mark.parametrize(
    ("prepare", "error_number", "every"),
    [
        pytest.param(edit_after_a_render, errno.ENOSPC, 1, id="full, new version"),
        pytest.param(edit_back, errno.ENOSPC, 1, id="full, former version back"),
        pytest.param(edit_after_a_render, errno.EIO, 5, id="bad spot"),
        pytest.param(edit_after_a_render, errno.EROFS, 5, id="read-only"),
    ],
)
def test_any_refused_operation_is_told_and_made_good_by_the_next_run(
    songs: Songs, prepare: Callable[[Songs], None], error_number: int, every: int, tmp_path: Path
) -> None:
    prepare(songs)
    before = tmp_path / "before"
    shutil.copytree(songs.outputs, before)
    watched = FailingDisk(error_number, first=ENOUGH)
    carry_out(on(songs.project(), watched))
    expected = tree(songs.outputs)
    assert len(watched.operations) > 20

    for position in range(0, len(watched.operations), every):
        where = watched.operations[position]
        shutil.rmtree(songs.outputs)
        shutil.copytree(before, songs.outputs)
        told = refusal(on(songs.project(), FailingDisk(error_number, first=position)))

        assert [
            checked
            for checked in verify(Store(songs.outputs, kinds=stored_kinds()))
            if checked.fault not in {"", "missing"}
        ] == [], where
        assert sounds(before) <= sounds(songs.outputs), where
        # A bad spot where something is read is made good at once; everything else is told, with what to do.
        healed = error_number == errno.EIO and where.startswith("read")
        assert healed if told is None else told.help, where

        carry_out(songs.project())
        if healed:
            # The file with the bad spot was set aside: a record's audio then lies in `old/` as a stranger.
            wanted = {content for name, content in expected.items() if name.endswith(".flac")}
            assert wanted <= sounds(songs.outputs), where
        else:
            assert tree(songs.outputs) == expected, where


def refusal(project: Project) -> StoreError | None:
    try:
        carry_out(project)
    except StoreError as error:
        return error
    return None


def sounds(outputs: Path) -> set[bytes]:
    """The audio of every version, wherever it lies."""
    return {path.read_bytes() for path in outputs.rglob("*.flac")}
