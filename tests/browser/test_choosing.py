"""The morning after: many takes of a song, one to be chosen."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from renderer.report import Outcome, Report, SectionMark, SpecFault
from tests.browser.listening import RECORD, take, wait_for, wait_until_playing
from tests.report.songs import rendered, song

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from renderer.report import ReportTake

pytestmark = pytest.mark.slow

MARKS = (
    SectionMark(label="verse", start_seconds=0.0),
    SectionMark(label="chorus", start_seconds=8.0),
    SectionMark(label="outro", start_seconds=16.0),
)
TYPE = """text => [...text].forEach(
    key => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })))"""


def twelve(folder: Path) -> tuple[ReportTake, ...]:
    """Takes of one sound."""
    sound = dataclasses.replace(rendered(folder, "many", seed=1, seconds=20), marks=MARKS)
    assert sound.measured
    return tuple(
        dataclasses.replace(
            sound,
            name=f"many.s{seed}",
            seed=seed,
            key8=f"{seed:08x}",
            made_at=1000.0 * seed,
            duration_seconds=20.0,
            measured=dataclasses.replace(sound.measured, bpm=96.0 + seed / 10, loudness_lufs=-20.0 + seed),
            degraded=("tiles of 256",) if seed == 1 else (),
        )
        for seed in range(1, 13)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("choosing")


@pytest.fixture
def chosen(folder: Path, watch: Callable[..., Page], report_of: Callable[..., str]) -> Page:
    other = (rendered(folder, "other", seed=1, seconds=5),)
    songs = (song("many", "Many", twelve(folder)), song("other", "Other", other))
    return watch(report_of(Report(songs=songs, last_takes=("many.s3",)), folder))


def numbers(page: Page) -> list[str]:
    return page.locator(".song:has(h2:text-is('Many')) .take:visible .number").all_inner_texts()


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (400, 800)])
def test_takes_stand_above_the_fold(outputs: Path, watch: Callable[..., Page], width: int, height: int) -> None:
    page = watch((outputs / "report" / "index.html").as_uri(), viewport={"width": width, "height": height})
    box = page.locator(".take").first.bounding_box()
    assert box
    assert box["y"] + box["height"] <= height
    assert page.locator(".batch, .song").last.get_attribute("class") == "batch"


def test_orders_put_the_best_first(chosen: Page) -> None:
    chosen.click(f"{take('Many', 'seed 5')} [data-vote=keep]")
    chosen.click(f"{take('Many', 'seed 2')} [data-vote=reject]")
    chosen.select_option("#sort", "shortlist")
    order = numbers(chosen)
    assert (order[0], order[-1]) == ("5", "2")
    assert order.index("1") > order.index("3"), "a flag costs a place"
    for name, first in (("loudness", "12"), ("tempo", "1"), ("newest", "12")):
        chosen.select_option("#sort", name)
        assert numbers(chosen)[0] == first
    chosen.check("input[name=state][value=last-run]", force=True)
    assert numbers(chosen) == ["3"]
    assert chosen.locator(".name .facts > span:text-is('last run')").count() == 1, "said of the one that the run made"


def test_a_number_of_two_digits_plays_that_take_of_the_song_in_view(chosen: Page) -> None:
    chosen.evaluate(TYPE, "12")  # in one go: two keys a second apart are two numbers
    wait_until_playing(chosen, "many.s12@")
    chosen.keyboard.press("2")
    wait_until_playing(chosen, "many.s2@")
    chosen.keyboard.press("1")
    wait_until_playing(chosen, "many.s1@")
    chosen.locator("h2:text-is('Other')").scroll_into_view_if_needed()
    chosen.evaluate("document.querySelector('.song:last-of-type').scrollIntoView()")
    chosen.keyboard.press("1")
    wait_until_playing(chosen, "other.s1@")


def test_a_knockout_ends_with_a_winner_that_is_kept(chosen: Page) -> None:
    for seed in range(4, 13):
        chosen.click(f"{take('Many', f'seed {seed}')} [data-vote=reject]")
    chosen.click(".song:has(h2:text-is('Many')) .knock")
    assert chosen.inner_text("#knock-says") == "3 takes, 2 pairs. The winner is kept."
    chosen.click("#knock button[value=start]")
    expect(chosen.locator("#knockout-now")).to_have_text("Round 1, pair 1 of 2")
    assert "seed" not in chosen.inner_text("#player"), "it is blind"
    chosen.click("[data-better=a]")
    expect(chosen.locator("#knockout-now")).to_have_text("Round 2, pair 2 of 2")
    chosen.click("[data-better=b]")
    kept = chosen.locator(".take.kept .number").all_inner_texts()
    assert len(kept) == 1
    says = chosen.inner_text("#says")
    assert says.startswith(f"The winner is take {kept[0]}: base, seed {kept[0]}. It is kept in this browser; Export")
    assert not chosen.is_visible("#knockout")


def test_sections_are_jumped_to_and_looped_in_a_and_b(chosen: Page) -> None:
    first, second = take("Many", "seed 1"), take("Many", "seed 2")
    chosen.click(f"{first}:has(.number:text-is('1')) .play")
    wait_until_playing(chosen, "many.s1@")
    assert chosen.inner_text("#sections-how") == "Sections, about:"
    labels = chosen.locator(".section-at").all_inner_texts()
    assert labels == ["verse ≈ 0:00", "chorus ≈ 0:08", "outro ≈ 0:16"]
    chosen.click(".section-at >> nth=1")
    wait_until_playing(chosen, "many.s1@", beyond=8)
    chosen.keyboard.press("l")
    assert chosen.inner_text("#says") == "Looping chorus."
    chosen.evaluate(RECORD)
    chosen.evaluate("document.querySelector('#decks audio').currentTime = 15.9")
    chosen.wait_for_function(
        "() => { const deck = [...document.querySelectorAll('#decks audio')].find((one) => !one.paused);"
        " return deck.currentTime >= 7.9 && deck.currentTime < 10; }"
    )
    chosen.keyboard.press("Shift+A")
    chosen.click(f"{second}:has(.number:text-is('2')) .slot[data-slot=b]")
    chosen.keyboard.press("b")
    deck = wait_until_playing(chosen, "many.s2@", beyond=7.9)
    assert deck["time"] < 16


def test_a_take_is_downloaded_under_its_own_name(chosen: Page) -> None:
    link = chosen.locator(f"{take('Other')} .download")
    assert link.get_attribute("download") == "other.s1.flac"
    assert (link.get_attribute("href") or "").endswith("../other/other.s1.flac")


def test_a_take_that_is_made_again_plays_as_it_was_and_nothing_breaks(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    one = rendered(tmp_path, "x", seed=1, seconds=10)
    again = dataclasses.replace(one, outcome=Outcome.WAITING, why="shift 3.0 → 2.0", key8="0000beef")
    page = watch(report_of(Report(songs=(song("x", "X", (again,)),)), tmp_path))
    page.click(".take .play")
    wait_until_playing(page, "x.s1@0000beef", beyond=0.1)
    assert (
        page.inner_text(".stands-in")
        == "Plays the version before, which is to be made again: since then shift 3.0 → 2.0"
    )


def test_a_row_that_loses_its_sound_while_it_plays_breaks_nothing(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    one = rendered(tmp_path, "x", seed=1, seconds=10)
    page = watch(report_of(Report(songs=(song("x", "X", (one,)),)), tmp_path))
    page.click(".take .play")
    wait_until_playing(page, beyond=0.1)
    page.evaluate("document.querySelector('.take .wave').remove()")
    page.evaluate(RECORD)
    page.keyboard.press("Space")
    wait_for(page, "pause")


def test_errors_of_specs_stand_with_line_and_caret(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    lines = ((("level", "error[bpm-range]"), ("message", ": 900 bpm")), (("place", "3 | "), ("caret", "      ^^^")))
    page = watch(report_of(Report(songs=(), faults=(SpecFault(lines=lines),)), tmp_path))
    assert page.inner_text("#faults h2") == "1 error in the specs"
    assert page.text_content(".spec-fault") == "error[bpm-range]: 900 bpm\n3 |       ^^^"


def test_enter_saves_a_note_and_shift_enter_begins_a_line(chosen: Page) -> None:
    row = take("Other")
    chosen.click(f"{row} .note-on")
    chosen.keyboard.type("one")
    chosen.keyboard.press("Shift+Enter")
    chosen.keyboard.type("two")
    chosen.keyboard.press("Enter")
    chosen.wait_for_selector(f"{row} .own-note:visible")
    assert chosen.text_content(f"{row} .own-note") == "one\ntwo"
