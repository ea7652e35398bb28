"""A real render with mini, listened to from disk; and served, while its spec changes."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.browser.conftest import environment, renderer, run_renderer
from tests.browser.listening import decks, record, take, wait_for, wait_until_playing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

SPEC = '''
title = "{title}"
caption = "calm piano, brushed drums"
lyrics = """
[verse]
A light in the harbour
[chorus] (softly)
Stay
"""
seeds = [{seed}]
[metas]
bpm = 90
keyscale = "A minor"
duration = 10
vocal_language = "en"
[inference]
shift = {shift}
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "specs").mkdir()
    (folder / "renderer.toml").write_text('model = "mini"\n', "utf-8")
    for name, title, seed in (("harbour", "Harbour", 1), ("quay", "Quay", 2)):
        (folder / "specs" / f"{name}.toml").write_text(SPEC.format(title=title, seed=seed, shift=3.0), "utf-8")
    run_renderer(folder, "render", "--threads", "1")
    return folder


def test_a_real_render_is_heard_measured_and_told(project: Path, watch: Callable[..., Page]) -> None:
    for place in ("harbour/harbour.s1.flac", "quay/quay.s2.flac"):
        sound, rate = soundfile.read(project / "outputs" / place)
        assert (rate, sound.shape) == (48_000, (480_000, 2))
        assert np.abs(sound).max() > 0.5

    page = watch((project / "outputs" / "report" / "index.html").as_uri())
    first = take("Harbour", "seed 1")
    page.click(f"{first} .play")
    assert wait_until_playing(page, beyond=0.3)["error"] is None
    record(page)
    wave = page.locator(f"{first} .seek").bounding_box()
    assert wave
    page.mouse.click(wave["x"] + 0.7 * wave["width"], wave["y"] + 5)
    assert wait_for(page, "seeking")["time"] == pytest.approx(7, abs=0.2)
    assert wait_until_playing(page, beyond=7)["error"] is None

    assert "LUFS" in page.inner_text(f"{first} .name")
    assert re.search(r"10\.0 s", page.inner_text(".metas"))
    page.click(f"{first} .more > summary")
    page.wait_for_function("() => document.querySelector('.spectrogram img')?.naturalWidth === 800")
    page.click(f"{first} .prompts > summary")
    page.wait_for_selector(f"{first} .prompts pre")
    assert "A light in the harbour" in page.inner_text(f"{first} .prompts")
    page.click(".batch summary")
    assert "1×" in page.inner_text(".batch table")


@pytest.fixture
def url(project: Path) -> Iterator[str]:
    command = renderer(project, "report", "--serve", "--no-measure")
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True, env=environment()) as server:
        assert server.stdout
        yield server.stdout.readline().split()[0]
        server.terminate()


def test_served_an_edited_spec_brings_a_new_take_while_another_plays_on(
    project: Path, url: str, watch: Callable[..., Page]
) -> None:
    page = watch(url, allowed=url.partition("report/")[0])
    second, edited = take("Quay", "seed 2"), take("Harbour", "seed 1")
    before = page.get_attribute(edited, "data-take")
    page.click(f"{second} .play")
    start = wait_until_playing(page, "quay.s2@")
    page.keyboard.press("n")
    page.fill("#note-text", "leiser")
    page.click("#note button[value=save]")
    page.wait_for_selector(f"{second} .own-note:visible")
    page.click(f"{second} [data-vote=keep]")

    (project / "specs" / "harbour.toml").write_text(SPEC.format(title="Harbour", seed=1, shift=2.0), "utf-8")
    run_renderer(project, "render", "harbour.s1", "--threads", "1", "--no-measure")
    page.wait_for_selector(f"{edited}.fresh")

    assert before is not None
    assert page.inner_text("#says").startswith("New: harbour.s1")
    heard = [deck for deck in decks(page) if deck["sound"] == start["sound"]]
    assert heard[0]["src"] == start["src"]
    assert heard[0]["time"] > start["time"], "it played on, or to its end"
    assert heard[0]["error"] is None
    page.click(f"{edited} .more > summary")
    page.wait_for_selector(f"{edited} .former")
    assert "shift 3.0 → 2.0" in page.inner_text(f"{edited} .former")
    page.keyboard.press("b")
    wait_until_playing(page, "harbour.s1@")

    picks = tomllib.loads((project / "specs" / "picks.toml").read_text("utf-8"))
    assert picks["quay.s2"]["vote"] == "keep"
    assert picks["quay.s2"]["note"] == "leiser"
