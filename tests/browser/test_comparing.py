"""The page of `renderer diff`, opened from disk: A and B at one position and as loud as each other; what differs."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from tests.browser.test_looking import serious
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out, made
from tests.report.songs import music

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from renderer.artifacts import Artifact
    from renderer.plan.jobs import Job

pytestmark = pytest.mark.slow

SPEC = """
title = "Chihuahua"
caption = "warm <b>pop</b>"
lyrics = '''
[verse 1]
Camino despacio, la noche me nombra
[chorus]
Fuego en la esquina
'''
seeds = [7]
[metas]
duration = 10
"""
STATE = """() => [...document.querySelectorAll('audio')].map(one => [one.paused, one.currentTime])"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> str:
    """A take and what it was before, twenty seconds of each."""
    songs = Songs(tmp_path_factory.mktemp("comparing") / "project #1", tiny_set, None)  # type: ignore[arg-type]  # no worker
    songs.write("chihuahua", SPEC)
    numbers = count(1)

    def sounding(job: Job) -> Artifact:
        return music(next(numbers), 20.0) if job.spec.artifact.__name__ == "Waveform" else made(job)

    carry_out(songs.project(), sounding)
    songs.edit("chihuahua", "despacio", "deprisa")
    carry_out(songs.project(), sounding)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(songs.folder)
        assert run(["diff", "chihuahua.s7", "--no-measure", "--page"]) == 0
    return (songs.outputs / "report" / "diff.html").as_uri()


def test_b_takes_over_where_a_is(compared: str, watch: Callable[..., Page]) -> None:
    page = watch(compared)
    page.get_by_role("button", name="Listen to A").click()
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.5")

    page.keyboard.press("b")

    page.wait_for_function(f"() => JSON.stringify(({STATE})().map(([paused]) => paused)) === '[true,false]'")
    assert all(seconds > 0.5 for _, seconds in page.evaluate(STATE))
    assert page.locator(".switch[aria-pressed=true]").all_text_contents() == ["B"]


def test_the_louder_one_is_turned_down_until_it_is_told_not_to(compared: str, watch: Callable[..., Page]) -> None:
    page = watch(compared)
    page.evaluate(
        "() => document.querySelectorAll('.side').forEach((side, at) => { side.dataset.lufs = -14 - 6 * at; })"
    )
    volumes = "() => [...document.querySelectorAll('audio')].map(one => Math.round(one.volume * 100))"
    for expected in ([100, 100], [50, 100]):
        page.get_by_role("button", name="Match loudness").click()
        assert page.evaluate(volumes) == expected


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_that_differ_are_marked_and_axe_finds_nothing_serious(
    compared: str, watch: Callable[..., Page], scheme: str
) -> None:
    page = watch(compared, color_scheme=scheme, viewport={"width": 360, "height": 700})
    assert page.locator("del").all_text_contents() == ["despacio,"]
    assert page.locator("ins").all_text_contents() == ["deprisa,"]
    assert page.locator("polyline").count() == 2
    assert serious(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
