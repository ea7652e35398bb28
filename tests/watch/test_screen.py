"""What a watch shows on a terminal of 80 columns and 24 lines."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from renderer.pipeline.options import Options
from renderer.run.events import JobProgress, TakeDone
from renderer.watch.effects import ReadSpecs
from renderer.watch.events import SpecsRead
from renderer.watch.notices import Idle, RenderStarted, SpecsLoaded
from renderer.watch.plan_takes import plan_takes
from renderer.watch.read_specs import read_specs
from renderer.watch.screen import Screen
from tests.watch.conftest import Songs

if TYPE_CHECKING:
    from pathlib import Path


OPTIONS = Options(device="cpu", seeds=(1, 2))


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path) -> Songs:
    return Songs(tmp_path / "project", tiny_set)


def with_specs_loaded(songs: Songs) -> tuple[Screen, SpecsRead]:
    screen = Screen()
    read = read_specs(ReadSpecs(takes=(), diagnostics=(), run_options=None), (str(songs.specs),), OPTIONS)
    assert isinstance(read, SpecsRead)
    screen.listen(
        SpecsLoaded(takes=read.takes, diagnostics=read.diagnostics, new_diagnostics=read.diagnostics, fixed=())
    )
    return screen, read


def drawn(screen: Screen) -> list[str]:
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(screen.drawn(console))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_song_tells_how_far_it_is_and_is_done_when_all_its_takes_are(songs: Songs) -> None:
    songs.write("ein-lied-mit-langem-namen")
    screen, read = with_specs_loaded(songs)
    ((_, plan),) = plan_takes([take.take for take in read.takes], OPTIONS)
    screen.listen(RenderStarted(takes=plan.takes, since_save_seconds=None))
    screen.listen(JobProgress(job=plan.jobs[0], done=3, total=8, unit="steps"))
    under_way = "\n".join(drawn(screen))
    screen.listen(TakeDone(take=plan.takes[0], seconds=10.0))
    half = "\n".join(drawn(screen))
    screen.listen(TakeDone(take=plan.takes[1], seconds=10.0))

    assert "latents 3/8 steps · s1" in under_way
    assert "1 of 2 done" in half
    assert any(line.split()[-2:] == ["2", "done"] for line in drawn(screen))


def test_the_foot_is_seen_however_much_there_is_to_tell(songs: Songs) -> None:
    for number in range(12):
        songs.write(f"lied{number}")
        songs.path(f"falsch{number}").write_text("bpm = 90\ntitle = ", "utf-8")
    screen, _ = with_specs_loaded(songs)
    screen.listen(Idle(num_rendered=0, num_failed=0, num_faulty=12))
    lines = drawn(screen)

    assert len(lines) <= 24, "\n".join(lines)
    assert lines[-2] == "waiting for changes: 12 files with errors"
    assert lines[-1].startswith("r render all")
    assert any(line.endswith("more: renderer check") for line in lines)
    assert any("more" in line and "and 1" in line for line in lines)


def test_takes_in_full_length_beside_previews_are_not_counted_as_more_takes(songs: Songs) -> None:
    songs.write("eins")
    screen = Screen()
    options = replace(OPTIONS, preview=5.0)
    read = read_specs(ReadSpecs(takes=(), diagnostics=(), run_options=None), (str(songs.specs),), options)
    assert isinstance(read, SpecsRead)
    screen.listen(SpecsLoaded(takes=read.takes, diagnostics=(), new_diagnostics=(), fixed=()))
    ((_, whole),) = plan_takes([take.take for take in read.takes], OPTIONS)
    for plan in (*read.takes, whole.takes[0]):
        screen.listen(TakeDone(take=plan, seconds=10.0))

    (row,) = (line for line in drawn(screen) if "eins" in line)
    assert row.split()[:3] == ["eins", "2", "done"]
