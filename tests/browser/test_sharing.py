"""What a singer is sent, opened from disk: it plays, one sound at a time, and reads as the song."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.pipeline.share import share
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
caption = "a secret caption"
lyrics = '''
[verse 1]
Camino despacio, la noche me nombra
[bridge] (Guitarra española - solo melancólico y rápido)
[chorus]
Fuego en la esquina
'''
seeds = [7, 8]
[metas]
duration = 10
"""
PLAYING = "() => [...document.querySelectorAll('audio')].map(one => !one.paused && one.currentTime > 0.1)"


def sounding(job: Job) -> Artifact:
    """Something that lasts longer than a test listens."""
    return music(1, 20.0) if job.spec.artifact.__name__ == "Waveform" else made(job)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> str:
    folder = tmp_path_factory.mktemp("sharing")
    songs = Songs(folder / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("chihuahua", SPEC)
    songs.write("solo", SPEC.replace("seeds = [7, 8]", "seeds = [7]").replace("Chihuahua", "Solo #1"))
    carry_out(songs.project(), sounding)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(songs.folder)
        return share(["chihuahua.s*", "solo.s7"], folder / "für Anna #1", None, format="mp3").page.as_uri()


def test_takes_play_one_at_a_time_beside_their_words(shared: str, watch: Callable[..., Page]) -> None:
    page = watch(shared)
    players = page.locator("audio")
    assert players.count() == 3

    players.nth(0).evaluate("player => player.play()")
    page.wait_for_function(f"() => ({PLAYING})()[0]")
    players.nth(2).evaluate("player => player.play()")
    page.wait_for_function(f"() => ({PLAYING})()[2]")

    assert page.evaluate("() => [...document.querySelectorAll('audio')].map(one => one.paused)") == [True, True, False]
    assert page.locator("h1").all_text_contents() == ["Chihuahua", "Solo #1"]
    assert page.locator("b").all_text_contents() == ["Take 1", "Take 2"]
    assert page.locator("article").first.locator(".lyrics p").all_text_contents() == [
        "Camino despacio, la noche me nombra",
        "Fuego en la esquina",
    ]
    assert "Guitarra española" in (page.text_content(".annotation") or "")
    assert "secret" not in page.content()


@pytest.mark.parametrize(
    "look",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 400, "height": 800}}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(
    shared: str, watch: Callable[..., Page], look: dict[str, object]
) -> None:
    page = watch(shared, **look)
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
