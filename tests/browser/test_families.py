"""Edits on the page: by their sources, with their windows, compared at the same position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.report import Report, write_report
from tests.browser.listening import decks, take, wait_until_playing
from tests.browser.test_looking import serious
from tests.report.sung_songs import family

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

SECONDS = 20.0
# The share of pixels of a column of the waveform that have the window's shade, at these shares of its width.
SHADES = """(canvas, places) => {
    const shade = getComputedStyle(document.documentElement).getPropertyValue('--accent-soft').trim();
    const wanted = [1, 3, 5].map(at => parseInt(shade.slice(at, at + 2), 16));
    const brush = canvas.getContext('2d');
    return places.map(place => {
        const pixels = brush.getImageData(Math.round(place * canvas.width), 0, 1, canvas.height).data;
        let same = 0;
        for (let at = 0; at < pixels.length; at += 4) {
            same += wanted.every((part, n) => Math.abs(pixels[at + n] - part) < 3);
        }
        return same / canvas.height;
    });
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("family")
    return write_report(Report(songs=family(folder, seconds=SECONDS)), folder / "report").as_uri()


@pytest.fixture
def page(watch: Callable[..., Page], url: str) -> Page:
    return watch(url)


def test_edits_stand_behind_what_they_are_made_from_until_sorted_otherwise(page: Page) -> None:
    rows = page.locator(".song:has(h2:text-is('Root')) .take")
    assert rows.locator(".what").all_inner_texts() == ["base seed 1", "fix seed 11", "again seed 12", "base seed 2"]
    lefts = [row.bounding_box() for row in rows.all()]
    assert [round(one["x"] - lefts[0]["x"]) > 0 for one in lefts if one and lefts[0]] == [False, True, True, False]
    assert page.inner_text(f"{take('Root', 'fix')} .made-from").startswith(
        "repaint of root.s1, made anew from 0:05 to 0:10"
    )
    assert page.inner_text(f"{take('As a waltz', 'drums')} .made-from") == "lego of demo.wav"
    page.select_option("#sort", "seed")
    assert rows.locator(".what").all_inner_texts() == ["base seed 1", "base seed 2", "fix seed 11", "again seed 12"]
    assert len({round(box["x"]) for row in rows.all() if (box := row.bounding_box())}) == 1


def test_a_cover_of_another_songs_take_leads_there(page: Page) -> None:
    page.click(f"{take('As a waltz', 'cov')} .to-source")
    assert page.evaluate("document.querySelector(':target h2').textContent") == "Root"
    page.click(f"{take('Root', 'again')} .to-source")
    assert page.inner_text(".take:target .what") == "fix seed 11"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_window_is_marked_on_the_waveform(watch: Callable[..., Page], url: str, scheme: str) -> None:
    page = watch(url, color_scheme=scheme)
    canvas = page.locator(f"{take('Root', 'fix')} canvas")
    page.wait_for_function("() => [...document.querySelectorAll('canvas')].some(one => one.width === one.clientWidth)")
    inside = canvas.evaluate(SHADES, [0.3, 0.375, 0.45])
    outside = canvas.evaluate(SHADES, [0.1, 0.2, 0.6, 0.9])
    assert min(inside) > 0.2
    assert max(outside) == 0


def test_that_only_the_window_differs_is_told_by_numbers(page: Page) -> None:
    assert page.inner_text(f"{take('Root', 'fix')} .difference") == (
        "Only that differs: 0 of 1,344,000 samples outside, 364,800 of 384,000 inside"
    )
    other = take("Root", "again")
    assert (
        page.inner_text(f"{other} .difference") == "Outside of that 10 of 1,000 samples differ, by −30.0 dBFS at most"
    )
    assert page.locator(f"{other} [data-flag=outside]").count() == 1


def test_source_and_edit_are_compared_at_the_same_position(page: Page) -> None:
    page.click(f"{take('Root', 'fix')} .against")
    start = wait_until_playing(page, "root.fix.s11@")
    assert 3.0 <= start["time"] < 6.0, "shortly before its window, which begins at 5"
    page.keyboard.press("Space")
    there = page.evaluate("() => Number(document.getElementById('position').value)")
    page.keyboard.press("a")
    source = wait_until_playing(page, "root.s1@")
    assert source["time"] == pytest.approx(there, abs=1.0)
    assert page.inner_text("#gain") == "not matched: one is made from the other"
    assert {deck["volume"] for deck in decks(page)} == {1}


def test_where_an_edit_begins_earlier_its_source_is_heard_at_the_same_music(page: Page) -> None:
    page.click(f"{take('Root', 'again')} .play")
    page.keyboard.press("Space")
    page.click(f"{take('Root', 'again')} .against")
    page.keyboard.press("Space")
    page.eval_on_selector(
        "#position", "seek => { seek.value = 12; seek.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.keyboard.press("a")
    source = wait_until_playing(page, "root.fix.s11@")
    assert source["time"] == pytest.approx(10.0, abs=1.0), "the edit's first two seconds are before its source's"
    page.keyboard.press("1")
    root = wait_until_playing(page, "root.s1@")
    assert root["time"] == pytest.approx(10.0, abs=2.0)


def test_axe_finds_nothing_serious_on_families(watch: Callable[..., Page], url: str) -> None:
    page = watch(url, reduced_motion="reduce")
    page.click(f"{take('Root', 'fix')} .against")
    wait_until_playing(page)
    assert serious(page) == []
