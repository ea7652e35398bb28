from __future__ import annotations

import dataclasses
import math
import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.formats.table import FORMATS
from renderer.report import Report
from renderer.spec.picks import Pick, Vote, read_picks
from tests.browser.conftest import SECONDS
from tests.browser.listening import decks, record, take, wait_for, wait_until_playing
from tests.report.songs import rendered, small_report, song

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

FIRST, SECOND = take("Chihuahua", "base seed 7"), take("Chihuahua", "base seed 42")
LUFS = """() => Object.fromEntries(
    JSON.parse(document.getElementById('facts').textContent).songs.flatMap(song => song.takes)
        .map(take => [take.name, take.lufs]))"""


def test_a_take_plays_from_disk_and_a_click_on_its_waveform_seeks(page: Page) -> None:
    page.click(f"{FIRST} .play")
    deck = wait_until_playing(page, beyond=0.1)
    assert deck["error"] is None
    assert deck["sound"] == "chihuahua.s7@00000007"

    record(page)
    wave = page.locator(f"{FIRST} .seek").bounding_box()
    assert wave
    page.mouse.click(wave["x"] + 0.5 * wave["width"], wave["y"] + wave["height"] / 2)
    assert wait_for(page, "seeking")["time"] == pytest.approx(SECONDS / 2, abs=0.2)
    assert wait_until_playing(page, beyond=SECONDS / 2)["error"] is None


def test_every_format_plays(tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]) -> None:
    takes = tuple(rendered(tmp_path, "x", seed=seed, seconds=5, kind=kind) for seed, kind in enumerate(FORMATS))
    page = watch(report_of(Report(songs=(song("x", "Formats", takes),)), tmp_path))
    for seed in range(len(FORMATS)):
        page.click(f"{take('Formats', f'seed {seed}')} .play")
        assert wait_until_playing(page, f"x.s{seed}@", beyond=0.2)["error"] is None


def test_only_one_sounds_at_a_time(page: Page) -> None:
    rows = {FIRST: "chihuahua.s7@", SECOND: "chihuahua.s42@", take("Night Drive", "seed 1"): "night-drive.s1@"}
    for row, sound in rows.items():
        page.click(f"{row} .play")
        wait_until_playing(page, sound)
    assert [deck["sound"][:14] for deck in decks(page) if not deck["paused"]] == ["night-drive.s1"]


def test_a_and_b_are_heard_at_the_same_position_and_loudness(page: Page) -> None:
    page.click(f"{FIRST} .slot[data-slot=a]")
    page.click(f"{SECOND} .slot[data-slot=b]")
    page.keyboard.press("a")
    loud = wait_until_playing(page, "chihuahua.s7@00000007", beyond=0.5)
    record(page)
    page.keyboard.press("b")
    left, entered = wait_for(page, "pause", "chihuahua.s7@"), wait_for(page, "seeking", "chihuahua.s42@")
    quiet = wait_until_playing(page, "chihuahua.s42@0000002a", beyond=entered["time"])

    # A busy browser tells it a moment later, when the sound has gone on; from its beginning it would be half a second.
    assert entered["time"] == pytest.approx(left["time"], abs=0.4)
    levels = page.evaluate(LUFS)
    heard = [levels[deck["sound"].split("@")[0]] + 20 * math.log10(deck["volume"]) for deck in (loud, quiet)]
    assert heard[0] == pytest.approx(heard[1], abs=0.5)
    assert levels["chihuahua.s7"] - levels["chihuahua.s42"] > 6, "the tones are meant to differ"
    assert loud["volume"] < quiet["volume"] == 1

    assert page.inner_text("#gain") == "played at its own level"
    page.keyboard.press("a")
    wait_until_playing(page, "chihuahua.s7@")
    lowered = -20 * math.log10(loud["volume"])
    assert page.inner_text("#gain") == f"turned down by {lowered:.1f} dB"
    page.click("#match")
    page.keyboard.press("a")
    assert wait_until_playing(page, "chihuahua.s7@")["volume"] == 1


def test_blind_nobody_sees_which_is_which_until_the_vote(page: Page) -> None:
    page.click(f"{FIRST} .slot[data-slot=a]")
    page.click(f"{SECOND} .slot[data-slot=b]")
    page.keyboard.press("x")
    first = wait_until_playing(page)["sound"]
    page.keyboard.press("b")
    second = wait_until_playing(page)["sound"]

    assert {first, second} == {"chihuahua.s7@00000007", "chihuahua.s42@0000002a"}
    assert "seed" not in page.inner_text("#player")
    assert page.locator(".take.current, .take.playing").count() == 0

    page.click("[data-blind-vote=b]")
    told = page.inner_text("#says")
    labels = {"chihuahua.s7@00000007": "base, seed 7", "chihuahua.s42@0000002a": "base, seed 42"}
    where = "in this browser; Export picks to put it into specs/picks.toml"
    assert told == f"Kept B {where}. A was {labels[first]}, B was {labels[second]}."
    kept = page.locator(".take.kept .what")
    assert kept.all_inner_texts() == [labels[second].replace(",", "")]


def test_blind_pairs_are_shuffled(page: Page) -> None:
    page.click(f"{FIRST} .slot[data-slot=a]")
    page.click(f"{SECOND} .slot[data-slot=b]")
    heard: set[str] = set()
    for _ in range(40):  # a fair coin gives one side only once in 10^12
        page.keyboard.press("x")
        heard.add(wait_until_playing(page)["sound"])
        page.click("[data-blind-vote='']")
        if len(heard) == 2:
            return
    pytest.fail(f"A was always {heard}")


def test_the_keyboard_does_everything(page: Page) -> None:
    page.keyboard.press("Space")
    wait_until_playing(page)
    page.keyboard.press("Space")
    (rests,) = decks(page)
    assert rests["paused"]
    page.keyboard.press("ArrowRight")
    assert decks(page)[0]["time"] == pytest.approx(rests["time"] + 5, abs=0.1)
    page.keyboard.press("ArrowLeft")
    assert decks(page)[0]["time"] == pytest.approx(rests["time"], abs=0.1)

    page.keyboard.press("3")
    wait_until_playing(page, "chihuahua.wide.s7@00000007")
    page.keyboard.press("r")
    assert page.locator(".take.rejected .what").all_inner_texts() == ["wide seed 7"]
    page.keyboard.press("ArrowDown")
    wait_until_playing(page, "night-drive.s1@00000001")
    page.keyboard.press("k")
    page.keyboard.press("n")
    page.keyboard.type("kr 1 space")
    page.keyboard.press("Enter")
    row = take("Night Drive", "seed 1")
    page.wait_for_selector(f"{row} .own-note:text-is('kr 1 space')")
    assert page.get_attribute(f"{row} [data-vote=keep]", "aria-pressed") == "true"
    assert page.locator(f"{row}.current").count() == 1, "typing a note must not steer the player"
    page.keyboard.press("?")
    assert page.is_visible("#keys")


def test_every_control_is_reached_by_tab(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"find", "sort", "export", "play", "seek", "slot", "vote", "note-on"} <= reached


def test_votes_outlive_the_page_and_leave_as_picks_toml(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    before = {"elsewhere.s9": Pick(vote=Vote.KEEP, note='said "yes"'), "chihuahua.s42": Pick(vote=Vote.REJECT)}
    url = report_of(dataclasses.replace(small_report(tmp_path), picks=before), tmp_path)
    page = watch(url)
    page.click(f"{FIRST} [data-vote=keep]")
    page.click(f"{FIRST} .note-on")
    page.fill("#note-text", 'luna "rota"\n夜 \\ \x7f')
    page.click("#note button[value=save]")
    page.wait_for_selector(f"{FIRST} .own-note:visible")
    page.click(f"{SECOND} [data-vote=reject]")  # takes the earlier vote back
    page.reload()
    assert page.get_attribute(f"{FIRST} [data-vote=keep]", "aria-pressed") == "true"

    with page.expect_download() as saving:
        page.click("#export")
    saved = tmp_path / "picks.toml"
    saving.value.save_as(saved)
    assert saving.value.suggested_filename == "picks.toml"
    tomllib.loads(saved.read_text("utf-8"))
    assert read_picks(saved) == {
        "chihuahua.s7": Pick(vote=Vote.KEEP, note='luna "rota"\n夜 \\ \x7f', key="00000007"),
        "elsewhere.s9": before["elsewhere.s9"],
    }


def test_votes_that_only_the_browser_has_are_told_until_picks_toml_has_them(
    tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]
) -> None:
    written = Pick(vote=Vote.KEEP, key="00000007")
    report = small_report(tmp_path)
    page = watch(report_of(report, tmp_path))
    assert page.inner_text("#only-here") == ""
    page.click(f"{FIRST} .what")
    assert page.locator(f"{FIRST}.current").count() == 1, "a name that is clicked is chosen"
    assert all(deck["paused"] for deck in decks(page))
    page.keyboard.press("k")
    assert page.inner_text("#says") == (
        "Kept chihuahua.s7 in this browser; Export picks to put it into specs/picks.toml."
    )
    page.click(f"{SECOND} [data-vote=reject]")
    page.click(f"{SECOND} [data-vote=reject]")
    assert page.inner_text("#says") == "No vote on chihuahua.s42."
    assert page.inner_text("#only-here") == "1 vote in this browser only"

    report_of(dataclasses.replace(report, picks={"chihuahua.s7": written}), tmp_path)
    page.reload()
    assert page.inner_text("#only-here") == ""
    page.click(f"{FIRST} [data-vote=keep]")
    assert page.inner_text("#says").startswith("No vote on chihuahua.s7 in this browser; Export picks")
    assert page.inner_text("#only-here") == "1 vote in this browser only"


def test_votes_that_the_browser_can_not_keep_are_told(outputs: Path, watch: Callable[..., Page]) -> None:
    page = watch((outputs / "report" / "index.html").as_uri())
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full') } }")
    page.click(f"{FIRST} [data-vote=keep]")
    assert page.inner_text("#says").startswith("Kept chihuahua.s7 until this page is closed; Export picks")
    assert page.inner_text("#only-here") == "1 vote lost when this page is closed"


def test_before_and_after_are_put_side_by_side(page: Page) -> None:
    page.click(f"{FIRST} .more > summary")
    page.click(f"{FIRST} .before")
    wait_until_playing(page, "chihuahua.s7@0a1b2c3d")
    page.keyboard.press("b")
    wait_until_playing(page, "chihuahua.s7@00000007")
    page.keyboard.press("a")
    wait_until_playing(page, "chihuahua.s7@0a1b2c3d")


def test_a_file_that_is_gone_says_so(tmp_path: Path, watch: Callable[..., Page], report_of: Callable[..., str]) -> None:
    report = small_report(tmp_path)
    url = report_of(report, tmp_path)
    (tmp_path / "chihuahua" / "chihuahua.s7.flac").write_bytes(b"no music")
    page = watch(url)
    page.click(f"{FIRST} .play")
    page.wait_for_selector(f"{FIRST} .unplayable")
    assert "can't play its flac file, or the file is gone" in page.inner_text(f"{FIRST} .unplayable")
