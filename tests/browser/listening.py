"""What a test sees of the player: the decks' clocks and volumes, and what happened to them.

Sound goes on while a test thinks: whatever is compared is read in one go, or at the event that set it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

STATE = """deck => ({
    sound: deck.dataset.sound, time: deck.currentTime, paused: deck.paused, volume: deck.volume,
    error: deck.error && deck.error.message, ready: deck.readyState, src: deck.currentSrc,
})"""
DECKS = f"() => [...document.querySelectorAll('#decks audio')].map({STATE})"
PLAYING = f"""([beyond, sound]) => {{
    const sounding = [...document.querySelectorAll('#decks audio')].filter(deck => !deck.paused);
    if (sounding.length !== 1) return null;
    const deck = sounding[0];
    const is_there = deck.readyState > 2 && deck.currentTime > beyond && deck.dataset.sound.startsWith(sound);
    return is_there ? ({STATE})(deck) : null;
}}"""
RECORD = f"""() => {{
    window.happened = [];
    for (const kind of ['seeking', 'pause']) {{
        const note = event => window.happened.push({{ kind, ...({STATE})(event.target) }});
        document.getElementById('decks').addEventListener(kind, note, true);
    }}
}}"""
HAPPENED = "([kind, sound]) => window.happened.find(one => one.kind === kind && one.sound.startsWith(sound)) ?? null"


def decks(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(DECKS)
    return found


def wait_until_playing(page: Page, sound: str = "", *, beyond: float = 0.0) -> dict[str, Any]:
    """The one deck that plays, of a sound whose name begins so, as it is at the moment it has come so far."""
    found: dict[str, Any] = page.wait_for_function(PLAYING, arg=[beyond, sound]).json_value()
    return found


def record(page: Page) -> None:
    """Note from now on where the decks are paused and sought."""
    page.evaluate(RECORD)


def wait_for(page: Page, kind: str, sound: str = "") -> dict[str, Any]:
    """The deck as it was when this first happened to it since `record`."""
    found: dict[str, Any] = page.wait_for_function(HAPPENED, arg=[kind, sound]).json_value()
    return found


def take(name: str, take_name: str = "") -> str:
    """The row's selector by what it shows: variant and seed."""
    return f".song:has(h2:text-is('{name}')) .take:has(.what:has-text('{take_name}'))"
