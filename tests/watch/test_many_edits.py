"""A day of edits leaves nothing behind: memory flat, no dead or spare processes, no threads, no files, no handles."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.watch.conftest import all_end, rendered

if TYPE_CHECKING:
    from tests.watch.conftest import Songs, Watching

pytestmark = pytest.mark.slow

MB = 1_000_000


def edit(songs: Songs, watching: Watching, number: int) -> None:
    """Every tenth edit breaks the spec, the others change what the DiT is asked."""
    if number % 10 == 9:
        songs.put(songs.path("viel"), "title = ")
        assert watching.until_idle()[-1].endswith("1 file with errors")
    else:
        songs.write("viel", mood=f"number {number}")
        assert rendered(watching.until_idle()) == ["viel.s0"]


def memory(watching: Watching) -> int:
    """Resident bytes of watch and worker."""
    watch = psutil.Process(watching.pid)
    return sum(process.memory_info().rss for process in (watch, *watch.children(recursive=True)))


def belongings(watching: Watching) -> tuple[int, int, int]:
    """Processes, threads and open files of the watch."""
    watch = psutil.Process(watching.pid)
    return 1 + len(watch.children(recursive=True)), watch.num_threads(), watch.num_fds()


def settled(watching: Watching) -> tuple[int, int, int]:
    """What it keeps once the threads that had just done their work are gone: the same for half a second."""
    before, since = belongings(watching), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.02)
        if (now := belongings(watching)) != before:
            before, since = now, time.monotonic()
    return before


def has_no_more_than(watching: Watching, before: tuple[int, int, int]) -> bool:
    """Whether it comes back to what it had."""
    end = time.monotonic() + PATIENCE_SECONDS
    while any(now > then for now, then in zip(belongings(watching), before, strict=True)):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("num_edits", [24, pytest.param(200, marks=pytest.mark.long)])
def test_many_edits_in_a_row_leave_nothing_behind(hasty: Songs, running: Watching, num_edits: int) -> None:
    for number in range(num_edits // 2):
        edit(hasty, running, number)
    halfway, kept = memory(running), settled(running)
    for number in range(num_edits // 2, num_edits):
        edit(hasty, running, number)
    print(f"{halfway / MB:.1f} MB halfway, {memory(running) / MB:.1f} MB after {num_edits} edits; {kept}")

    assert memory(running) - halfway < 30 * MB
    assert has_no_more_than(running, kept), (belongings(running), kept)
    assert not [path for path in hasty.folder.rglob("*") if ".tmp-" in path.name]


def test_sigterm_ends_it_with_its_worker(running: Watching) -> None:
    children = psutil.Process(running.pid).children(recursive=True)
    running.signal(signal.SIGTERM)
    code, _ = running.ended()

    assert code == 130
    assert children
    assert all_end(children)
