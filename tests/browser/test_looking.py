from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from renderer.artifacts import TimedLine, TimedWord, Timestamps
from renderer.report import Report, encode_peaks
from renderer.settings import Metas
from renderer.song import Section
from renderer.takes.sung_facts import read_sung_facts, sung_facts_text
from tests.browser.listening import decks, take, wait_until_playing
from tests.report.songs import CAPTION, SECTIONS, broken, lyrics_of, rendered, run_of, small_report, song

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from renderer.report import ReportTake

pytestmark = pytest.mark.slow

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'\"`&lt;\u202eabc"
)
FIRST = take("Chihuahua", "base seed 7")
FIRST_PAINT = """() => new Promise(done => new PerformanceObserver(list => {
    const paint = list.getEntries().find(entry => entry.name === 'first-contentful-paint');
    if (paint) done(paint.startTime);
}).observe({ type: 'paint', buffered: true }))"""


def open_all(page: Page) -> None:
    """Every fold, and those that lie in them."""
    for _ in range(2):
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.fold[open]')].every(fold => fold.children.length > 1)"
        )


def serious(page: Page) -> list[str]:
    """axe-core's serious and critical violations, with the elements at fault."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(
    "look",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 400, "height": 800}}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_serious(outputs: Path, watch: Callable[..., Page], look: dict[str, object]) -> None:
    # What is said fades away after a while; faint letters in the midst of that would be found.
    page = watch((outputs / "report" / "index.html").as_uri(), reduced_motion="reduce", **look)
    open_all(page)
    page.click(f"{FIRST} .slot[data-slot=a]")
    page.click(f"{FIRST} .play")
    page.click(f"{FIRST} [data-vote=keep]")
    wait_until_playing(page)
    page.wait_for_selector(".prompts pre")
    assert serious(page) == []
    page.keyboard.press("?")
    assert serious(page) == []


def test_hostile_words_do_nothing_and_read_as_written(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    row = dataclasses.replace(
        rendered(tmp_path, "x", seed=1, seconds=10),
        name=HOSTILE,
        variant=HOSTILE,
        why=HOSTILE,
        prompts={HOSTILE: HOSTILE},
        settings={HOSTILE: HOSTILE},
    )
    sections = (Section(tag=HOSTILE, annotation=HOSTILE, lines=(HOSTILE, "שלום עולם", "مرحبا", "🌙 夜")),)
    hostile = song("x", HOSTILE, (row,), caption=HOSTILE, lyrics=HOSTILE, source=HOSTILE, sections=sections)
    page = watch(report_of(Report(songs=(hostile,), notes=(HOSTILE,)), tmp_path))

    open_all(page)
    page.click(".play")
    wait_until_playing(page)
    page.keyboard.press("k")
    page.wait_for_selector(".prompts pre")

    assert "owned" not in page.title()
    assert page.locator("img").count() == 0
    assert page.text_content("h2[id^=title]") == HOSTILE
    assert page.text_content(".prompts pre") == HOSTILE
    assert page.text_content(".lyrics .section p") == f"{HOSTILE}\nשלום עולם\nمرحبا\n🌙 夜"
    assert page.get_attribute("#now-title", "dir") == "auto"


def test_right_to_left_words_stand_on_the_right(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    sections = (Section(tag="verse", lines=("שלום עולם",)),)
    words = song("x", "שיר", (broken("x", seed=1),), sections=sections)
    page = watch(report_of(Report(songs=(words,)), tmp_path))
    assert page.eval_on_selector(".lyrics .section p", "p => getComputedStyle(p).direction") == "rtl"
    assert page.eval_on_selector(".song h2", "h => getComputedStyle(h).direction") == "rtl"
    assert page.eval_on_selector("h1", "h => getComputedStyle(h).direction") == "ltr"


def many(folder: Path, num_songs: int, num_takes: int) -> Report:
    """Distinct words and waveforms for each song, one file of sound for all."""
    sound = rendered(folder, "sound", seed=1, seconds=10)
    songs = []
    for number in range(num_songs):
        sections = tuple(
            dataclasses.replace(section, lines=tuple(f"{line}, {number}" for line in section.lines * 3))
            for section in SECTIONS
        )
        words = lyrics_of(sections)
        takes = tuple(_take(sound, number, seed, words) for seed in range(num_takes))
        songs.append(
            song(
                f"song-{number}",
                f"Song {number}",
                takes,
                sections=sections,
                lyrics=words,
                caption=f"{CAPTION} {number}",
            )
        )
    every = tuple(row for one in songs for row in one.takes)
    return Report(songs=tuple(songs), run=run_of(every))


def _sung(row: int, text: str, shift: np.random.Generator) -> TimedLine:
    """A line's words, where attention would put them: no two takes alike."""
    at, words = 4.0 * row, []
    for word in text.split():
        begin = at + 0.04 * int(shift.integers(0, 20))
        words.append(TimedWord(text=word, start=begin, end=begin + 0.04 * int(shift.integers(1, 12))))
        at += 0.4
    coverage = None if text.startswith("[") else 1.0
    return TimedLine(text=text, start=words[0].start, end=words[-1].end, row=row, words=tuple(words), coverage=coverage)


def _take(sound: ReportTake, number: int, seed: int, words: str) -> ReportTake:
    outline = np.random.default_rng([number, seed]).integers(-128, 128, (800, 2)).astype(np.int8)
    prompt = f"<|im_start|>system\nGenerate audio semantic tokens based on the given conditions:\n\n{CAPTION}\n{words}"
    shift = np.random.default_rng([seed, number])
    lines = tuple(_sung(row, line, shift) for row, line in enumerate(words.split("\n")) if line)
    facts = read_sung_facts(sung_facts_text(Timestamps(seconds=180.0, lines=lines, lm_score=0.5, dit_score=0.5)))
    assert facts
    return dataclasses.replace(
        sound,
        words=facts.words,
        times=facts.times,
        lyrics_score=0.7,
        name=f"song-{number}.s{seed}",
        seed=seed,
        peaks=encode_peaks(outline),
        prompts={"lm": prompt, "codes": prompt, "lyrics": words, "text": CAPTION},
    )


@pytest.mark.parametrize(("num_songs", "num_takes"), [(50, 10), (500, 1)])
def test_500_takes_paint_after_less_than_a_seconds_work_and_weigh_less_than_2_mb(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str], num_songs: int, num_takes: int
) -> None:
    url = report_of(many(tmp_path, num_songs, num_takes), tmp_path)
    assert (tmp_path / "report" / "index.html").stat().st_size < 2_000_000

    page = watch(url)
    told = page.context.new_cdp_session(page)
    # By the clock of the page's own thread, which stands while others have the machine's cores.
    told.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.reload(wait_until="commit")
    page.evaluate(FIRST_PAINT)
    worked = {one["name"]: one["value"] for one in told.send("Performance.getMetrics")["metrics"]}
    assert 0.0 < worked["ThreadTime"] < 1.0
    assert page.locator(".take").count() == 500
    assert decks(page) == [], "no sound may be fetched before somebody plays it"
    last = take(f"Song {num_songs - 1}", f"seed {num_takes - 1}")
    page.click(f"{last} .play")
    wait_until_playing(page)


def test_filters_and_orders(page: Page) -> None:
    def shown() -> list[str]:
        # Not their inner texts, which are empty while a row that was moved isn't drawn yet.
        return [" ".join(text.split()) for text in page.locator(".take:visible .what").all_text_contents()]

    page.fill("#find", "chihuahua wide")
    assert shown() == ["wide seed 7"]
    assert page.inner_text("#shown") == "1 of 7 takes"
    page.fill("#find", "")
    page.check("input[name=state][value=failed]", force=True)
    assert shown() == ["base seed 99"]
    page.uncheck("input[name=state][value=failed]", force=True)
    page.check("input[name=flag][value=tempo]", force=True)
    assert 0 < len(shown()) < 7
    page.uncheck("input[name=flag][value=tempo]", force=True)
    page.click(f"{FIRST} [data-vote=keep]")
    page.check("input[name=state][value=keep]", force=True)
    assert shown() == ["base seed 7"]
    page.uncheck("input[name=state][value=keep]", force=True)

    page.select_option("#sort", "state")
    assert shown()[0] == "base seed 99"
    page.select_option("#sort", "song")
    assert page.locator(".song h2").all_text_contents() == ["Chihuahua", "Night Drive", "雨の夜"]
    page.select_option("#sort", "seed")
    assert page.locator(".song h2").all_text_contents() == ["Night Drive", "雨の夜", "Chihuahua"]
    page.fill("#find", "nothing like that")
    assert page.is_visible("#nothing")


def test_nothing_sticks_out_at_400_pixels(outputs: Path, watch: Callable[..., Page]) -> None:
    page = watch((outputs / "report" / "index.html").as_uri(), viewport={"width": 400, "height": 800})
    open_all(page)
    page.click(f"{FIRST} .play")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 14


def test_printed_it_holds_the_words_and_none_of_the_buttons(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.locator(".filters:visible, .dock:visible, .votes:visible, input:visible, select:visible").count() == 0
    for words in ("Chihuahua", "Guitarra española", "soy la tormenta", "96–120", "the sound is silent"):
        assert page.get_by_text(words).first.is_visible()


def test_without_script_it_is_still_a_page_with_players(outputs: Path, watch: Callable[..., Page]) -> None:
    page = watch((outputs / "report" / "index.html").as_uri(), java_script_enabled=False)
    assert page.locator("audio[controls]:visible").count() == 6
    assert not page.is_visible("#filters")
    assert page.locator("[data-vote]:visible").count() == 0


def test_prompts_are_shown_as_sent(page: Page) -> None:
    page.click(f"{FIRST} .more > summary")
    page.click(f"{FIRST} .prompts > summary")
    page.wait_for_selector(f"{FIRST} .prompts pre")
    prompts = page.locator(f"{FIRST} .prompts pre").all_text_contents()
    assert prompts == [f"<|im_start|>user\n# Caption\n{CAPTION}\n\n# Lyric\n{lyrics_of(SECTIONS)}", CAPTION]


def test_what_differs_between_takes_is_headed_and_looks_like_no_fault(page: Page) -> None:
    settings = page.locator(".song:has(h2:text-is('Chihuahua')) .settings")
    assert settings.locator("h3").inner_text() == "What differs between takes"
    shift, caption = settings.locator(".differs td").first, page.locator(".caption").first
    assert shift.evaluate("cell => getComputedStyle(cell).color") == caption.evaluate("p => getComputedStyle(p).color")


def test_a_take_opens_its_details_by_their_name(page: Page) -> None:
    assert page.inner_text(f"{FIRST} .more > summary") == "details"
    page.click(f"{FIRST} .more > summary")
    page.wait_for_selector(f"{FIRST} .more dt:text-is('state') + dd:text-is('done: new')")


def test_a_report_of_nothing_says_so(tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]) -> None:
    page = watch(report_of(Report(songs=()), tmp_path))
    assert page.inner_text("h1") == "0 takes of 0 songs"
    page.keyboard.press("Space")
    page.keyboard.press("k")


def test_what_is_asked_decided_and_measured_stands_in_one_row(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    report = small_report(tmp_path)
    asked = dataclasses.replace(report.songs[0], metas=Metas(bpm=150, keyscale="A minor"))
    page = watch(report_of(dataclasses.replace(report, songs=(asked,)), tmp_path))
    row = page.locator(".metas tr").filter(has=page.get_by_role("rowheader", name=re.compile("^bpm$")))
    assert row.inner_text().split("\t")[1:] == ["150", "96", "96–120"]
    assert "flagged" in (row.get_attribute("class") or "")
