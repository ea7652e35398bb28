"""What the watch does for the ear: each new take is served to open pages, and measured while nothing is rendered."""

from __future__ import annotations

import signal
import time
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.watch.conftest import Songs, Watching, all_end, rendered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Songs:
    songs = Songs(tmp_path_factory.mktemp("report") / "project", tiny_set)
    songs.write("eins")
    return songs


@pytest.fixture(scope="module")
def serving(project: Songs) -> Iterator[tuple[Watching, str]]:
    """A watch that has rendered, measured and shown one song, and the address it serves."""
    with Watching(project.folder, "--serve", "--measure", "--idle", "0.05") as watching:
        said = watching.until_idle()
        yield watching, next(line.split()[1] for line in said if line.startswith("report: http://127.0.0.1:"))


def test_finished_takes_are_measured_once_nothing_is_rendered(project: Songs, serving: tuple[Watching, str]) -> None:
    _, address = serving
    end = time.monotonic() + PATIENCE_SECONDS
    while "LUFS" not in _text(address) and time.monotonic() < end:
        time.sleep(0.2)

    (kept,) = (project.outputs / "report" / "measured").glob("*.json")
    assert kept.with_suffix(".webp").exists()
    assert "LUFS" in _text(address)


def test_an_open_page_is_told_of_a_saved_song(project: Songs, serving: tuple[Watching, str]) -> None:
    watching, address = serving
    with urllib.request.urlopen(address.replace("?", "events?"), timeout=PATIENCE_SECONDS) as events:
        assert events.readline() == b": hello\n"
        project.write("zwei")
        watching.until_idle()
        told = [events.readline() for _ in range(3)]
        while told[-1] != b"event: report\n":
            assert told[-1], "the stream ended before it told of a report"
            told.append(events.readline())

    assert "zwei.s0" in _text(address)


def test_the_models_are_dropped_after_a_while_and_read_again_when_needed(
    project: Songs, serving: tuple[Watching, str]
) -> None:
    watching, _ = serving
    watching.until(r"^models dropped after \d+ s without a render")
    assert watching.workers() == []

    project.write("zwei", mood="wild")
    assert rendered(watching.until_idle()) == ["zwei.s0"]


def test_ctrl_c_ends_a_render_at_its_next_step_and_what_is_done_stays(
    project: Songs, serving: tuple[Watching, str]
) -> None:
    watching, _ = serving
    project.write("lang", duration=120)
    watching.until(r"lang\.s0 latents: ")
    children = psutil.Process(watching.pid).children(recursive=True)
    with watching.worker_held():
        watching.signal(signal.SIGINT)
        watching.until(r"^stopping at the next token, step or tile \(again to stop at once\)")
    code, said = watching.ended()

    assert code == 130
    assert rendered(said) == []
    assert children
    assert all_end(children)
    assert not list(project.outputs.rglob(".tmp-*"))


def _text(address: str) -> str:
    with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as page:
        text: str = page.read().decode()
        return text
