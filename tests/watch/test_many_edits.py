"""A day of edits leaves nothing behind: memory flat, no dead or spare processes, no threads, no files, no handles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

from tests.watch.conftest import Songs, Watching, rendered

if TYPE_CHECKING:
    from pathlib import Path

MB = 1_000_000


def edit(songs: Songs, watching: Watching, number: int) -> None:
    """Every tenth edit breaks the spec, the others change what the DiT is asked."""
    if number % 10 == 9:
        songs.path("eins").write_text("title = ", "utf-8")
        assert watching.until_idle()[-1].endswith("1 file with errors")
    else:
        songs.write("eins", mood=f"number {number}")
        assert rendered(watching.until_idle()) == ["eins.s0"]


def footprint(watching: Watching) -> tuple[int, int, int, int]:
    """Resident bytes of watch and worker, processes, threads and open files of the watch."""
    watch = psutil.Process(watching.pid)
    family = [watch, *watch.children(recursive=True)]
    assert not [process for process in family if process.status() == psutil.STATUS_ZOMBIE]
    return sum(p.memory_info().rss for p in family), len(family), watch.num_threads(), watch.num_fds()


@pytest.mark.parametrize("num_edits", [30, pytest.param(200, marks=pytest.mark.long)])
def test_many_edits_in_a_row_leave_nothing_behind(songs: Songs, num_edits: int, tmp_path: Path) -> None:
    songs.write("eins")
    with Watching(songs.folder, "--quiet", "20") as watching:
        watching.until_idle()
        for number in range(num_edits // 2):
            edit(songs, watching, number)
        halfway = footprint(watching)
        for number in range(num_edits // 2, num_edits):
            edit(songs, watching, number)
        after = footprint(watching)
        print(halfway, after)

    assert after[0] - halfway[0] < 30 * MB
    assert after[1:] == halfway[1:]
    assert not [path for path in tmp_path.rglob("*") if ".tmp-" in path.name]
