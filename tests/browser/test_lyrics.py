"""Lyrics on the page: words light up as they are sung, a click goes there, what is skipped is marked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from renderer.report import Report, write_report
from renderer.serve import LiveReport, make_site, serving
from tests.browser.listening import record, take, wait_for, wait_until_playing
from tests.browser.test_looking import serious
from tests.report.sung_songs import APART, CHINESE, FIRST, HEBREW, LYRICS, other_scripts, sung_song, timed_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

SECONDS = 10.0
CLOSE_SECONDS = 0.1
# Told at the very moment, with the clock of the sound: pictures and tests come late on a busy machine.
NOTE_WORDS = """() => {
    window.lit = [];
    window.drawn = [];
    const decks = [...document.querySelectorAll('#decks audio')];
    const time = () => decks.find(deck => !deck.paused)?.currentTime ?? null;
    new MutationObserver(changes => {
        const lit = changes.map(change => change.target).filter(target => target.matches('.word.lit'));
        window.lit.push(...lit.map(target => [target.textContent, time()]));
    }).observe(document.getElementById('songs'), { subtree: true, attributes: true, attributeFilter: ['class'] });
    const draw = () => { window.drawn.push(time()); requestAnimationFrame(draw); };
    requestAnimationFrame(draw);
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sung")
    songs = (sung_song(folder, seconds=SECONDS), *other_scripts(folder, seconds=SECONDS))
    return write_report(Report(songs=songs), folder / "report").as_uri()


@pytest.fixture
def page(watch: Callable[..., Page], url: str) -> Page:
    return watch(url)


def play(page: Page, song: str, what: str) -> None:
    page.click(f"{take(song, what)} .play")
    page.wait_for_selector(".lyrics.following")


def wait_until_lit(page: Page, word: str) -> None:
    """A sound is sought in its own time, also while it is paused."""
    page.wait_for_function("word => document.querySelector('.word.lit')?.textContent === word", arg=word)


def seek(page: Page, song: str, what: str, seconds: float, then: str = "") -> None:
    page.eval_on_selector(
        f"{take(song, what)} .seek",
        f"(seek, at) => {{ seek.value = at; seek.dispatchEvent(new Event('input', {{ bubbles: true }})); {then} }}",
        seconds,
    )


def lateness(page: Page, starts: dict[str, float]) -> dict[str, float]:
    """How long each of these words lit up after its time, or after the next two pictures that were drawn from then on.

    A busy machine draws a few a second, and no page could show a word between two of them.
    """
    lit, drawn = page.evaluate("[window.lit, window.drawn]")
    found: dict[str, float] = {}
    for word, at in lit:
        if at is not None and word in starts and at >= starts[word]:
            pictures = sorted(time for time in drawn if time is not None and time >= starts[word])
            found[word] = min(found.get(word, 99.0), at - max([starts[word], *pictures[:2]]))
    return found


def test_each_word_lights_up_within_a_tenth_of_a_second_of_its_time(page: Page) -> None:
    starts = {word.text: word.start for line in timed_lines(LYRICS) if not line.is_tag for word in line.words}
    starts.pop("the")  # twice
    play(page, "Sung", "base seed 1")
    page.evaluate(NOTE_WORDS)
    seen: set[str] = set()
    for _ in range(10):  # where two pictures lie further apart than two words, one of these is never seen
        seek(page, "Sung", "base seed 1", FIRST - 0.4, "window.lit.length = window.drawn.length = 0;")
        page.wait_for_function("last => window.drawn.some(time => time > last)", arg=max(starts.values()) + 0.2)
        found = lateness(page, starts)
        assert max(found.values(), default=0.0) < CLOSE_SECONDS, found
        seen |= set(found)
        if seen == set(starts):
            break
    assert seen == set(starts)
    page.wait_for_function("() => !document.querySelector('.word.lit')")


def test_a_click_on_a_word_goes_there_and_two_keys_go_from_line_to_line(page: Page) -> None:
    play(page, "Sung", "base seed 1")
    page.keyboard.press("Space")
    words = {word.text: word.start for line in timed_lines(LYRICS) for word in line.words}
    page.click(".following .word:text-is('corner')")
    wait_until_lit(page, "corner")
    assert float(page.input_value("#position")) == pytest.approx(words["corner"], abs=0.02)
    page.keyboard.press(".")
    wait_until_lit(page, "nobody")
    page.keyboard.press(",")
    wait_until_lit(page, "fire")
    assert page.text_content(".line.lit") == "fire in the corner"


def test_lyrics_read_as_they_are_whether_or_not_they_are_followed(page: Page) -> None:
    texts = ".song:has(h2:text-is('Sung')) .sung:first-child .section p"
    before = page.locator(texts).all_text_contents()
    play(page, "Sung", "base seed 1")
    assert (
        page.locator(texts).all_text_contents()
        == before
        == ["walk slowly now\nthe night is calling", "fire in the corner\nnobody bows"]
    )


def test_a_take_of_other_lyrics_shows_its_own(page: Page) -> None:
    assert page.inner_text(".sung h3") == "Lyrics of base"
    assert page.inner_text(".song:has(h2:text-is('Sung')) details.sung > summary") == "Lyrics of rain"
    assert not page.is_visible("text=rain on the corner")
    assert page.inner_text(".captions h3 >> nth=1") == "Caption of rain"
    play(page, "Sung", "rain seed 1")
    page.keyboard.press("Space")
    page.click(".following .word:text-is('rain')")
    wait_until_lit(page, "rain")
    assert page.text_content("details.sung .word.lit") == "rain"
    assert page.locator(".sung:first-child .word.lit").count() == 0


def test_a_skipped_line_is_marked_with_its_time_and_what_to_do(page: Page) -> None:
    row = take("Sung", "base seed 2")
    assert page.inner_text(f"{row} [data-flag=skipped]") == "skipped? “fire in the corner” at 0:04"
    assert page.inner_text(f"{row} .advice") == "renderer fix sung.s2 --at 4.2..8.2"
    play(page, "Sung", "base seed 2")
    page.wait_for_selector(".line.skipped")
    assert page.locator(".line.skipped").all_text_contents() == ["fire in the corner"]
    play(page, "Sung", "base seed 1")
    page.wait_for_function("() => !document.querySelector('.line.skipped')")


def test_lines_of_other_words_are_marked_with_and_without_times(page: Page) -> None:
    row = take("Sung", "base seed 2")
    assert page.inner_text(f"{row} [data-flag=words]") == "other words? “the night is calling”"
    assert page.inner_text(f"{row} [data-flag=language]") == "sounds like es, not en"
    play(page, "Sung", "base seed 2")
    page.wait_for_selector(".line.misheard")
    assert page.locator(".line.misheard").all_text_contents() == ["the night is calling", "fire in the corner"]

    page.click(f"{take('Sung', 'base seed 3')} .play")
    wait_until_playing(page, "sung.s3@")
    page.wait_for_function("() => document.querySelectorAll('.line.misheard').length === 1")
    assert page.locator(".line.misheard").all_text_contents() == ["nobody bows"]
    assert page.locator(".following").count() == 0
    page.click(f"{take('Sung', 'base seed 3')} .more summary")
    assert "nobody bows, heard as mumbled words" in page.inner_text(f"{take('Sung', 'base seed 3')} .misheard-lines")

    play(page, "Sung", "base seed 1")
    page.wait_for_function("() => !document.querySelector('.line.misheard')")


def test_what_has_no_times_lights_up_nothing_and_says_so(page: Page) -> None:
    play(page, "Sung", "base seed 1")
    page.click(f"{take('Sung', 'base seed 3')} .play")
    wait_until_playing(page, "sung.s3@")
    page.wait_for_function("() => !document.querySelector('.following')")
    page.keyboard.press(".")
    assert page.inner_text("#says") == "The take that plays has no times of its words."


def test_measured_marks_jump_to_where_a_section_begins(page: Page) -> None:
    play(page, "Sung", "base seed 1")
    assert page.inner_text("#sections-how") == "Sections:"
    record(page)
    page.click(".section-at:has-text('chorus')")
    begins = FIRST + 7 * APART
    assert wait_for(page, "seeking")["time"] == pytest.approx(begins, abs=0.05)


def test_takes_are_sorted_by_how_well_they_follow_the_lyrics(page: Page) -> None:
    page.select_option("#sort", "score")
    names = page.locator(".song:has(h2:text-is('Sung')) .take .what").all_inner_texts()
    assert names == ["base seed 2", "base seed 1", "rain seed 1", "base seed 3"]


@pytest.mark.parametrize(
    ("song", "lyrics", "word", "direction"), [("שיר", HEBREW, "עולם", "rtl"), ("雨の夜", CHINESE, "夜", "ltr")]
)
def test_words_of_other_scripts_light_up_where_they_stand(
    page: Page, song: str, lyrics: str, word: str, direction: str
) -> None:
    timed = timed_lines(lyrics, by_sign=song != "שיר")
    start = next(one.start for line in timed for one in line.words if one.text == word)
    play(page, song, "base seed 1")
    page.keyboard.press("Space")
    page.click(f".following .word:text-is('{word}')")
    wait_until_lit(page, word)
    assert float(page.input_value("#position")) == pytest.approx(start, abs=0.02)
    assert page.eval_on_selector(".following .section p", "p => getComputedStyle(p).direction") == direction
    first, second = (page.locator(".following .word").nth(place).bounding_box() for place in (0, 1))
    assert first
    assert second
    assert (second["x"] < first["x"]) is (direction == "rtl"), "words run as the script does"


def test_a_page_that_is_renewed_follows_the_lyrics_on(tmp_path: Path, watch: Callable[..., Page]) -> None:
    report = Report(songs=(sung_song(tmp_path, seconds=SECONDS),))
    write_report(report, tmp_path / "report")
    live = LiveReport(report)
    with serving(make_site(live, tmp_path, lambda *_: None)) as url:
        page = watch(url, allowed=url.partition("report/")[0])
        play(page, "Sung", "base seed 1")
        page.keyboard.press("Space")
        page.click(".following .word:text-is('corner')")
        wait_until_lit(page, "corner")
        other = sung_song(tmp_path, seconds=SECONDS)
        live.publish(Report(songs=(dataclasses.replace(other, title="Sung anew"),)))
        page.wait_for_selector("h2:text-is('Sung anew')")
        wait_until_lit(page, "corner")
        page.click(".following .word:text-is('nobody')")
        wait_until_lit(page, "nobody")


def test_axe_finds_nothing_serious_while_lyrics_are_followed(watch: Callable[..., Page], url: str) -> None:
    for look in ({}, {"color_scheme": "dark"}, {"viewport": {"width": 400, "height": 800}}):
        page = watch(url, reduced_motion="reduce", **look)
        play(page, "Sung", "base seed 2")
        page.wait_for_selector(".word.lit")
        assert serious(page) == [], look


def test_on_a_small_screen_the_player_shows_the_line(watch: Callable[..., Page], url: str) -> None:
    page = watch(url, viewport={"width": 400, "height": 800})
    play(page, "Sung", "base seed 1")
    page.keyboard.press("Space")
    seek(page, "Sung", "base seed 1", FIRST + 0.1)
    page.wait_for_function("() => document.querySelector('#sung-line .lit')?.textContent === 'walk'")
    assert page.inner_text("#sung-line") == "walk slowly now"
