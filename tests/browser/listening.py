"""What a test sees of the player: the decks' clocks and volumes, and what the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

DECKS = """() => [...document.querySelectorAll('#decks audio')].map(deck => ({
    sound: deck.dataset.sound, time: deck.currentTime, paused: deck.paused, volume: deck.volume,
    error: deck.error && deck.error.message, ready: deck.readyState, src: deck.currentSrc,
}))"""


def decks(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(DECKS)
    return found


def playing(page: Page) -> dict[str, Any]:
    """The one deck that plays."""
    (deck,) = [deck for deck in decks(page) if not deck["paused"]]
    return deck


def wait_until_playing(page: Page, beyond: float = 0.0) -> dict[str, Any]:
    page.wait_for_function(
        "beyond => [...document.querySelectorAll('#decks audio')]"
        ".some(deck => !deck.paused && deck.readyState > 2 && deck.currentTime > beyond)",
        arg=beyond,
    )
    return playing(page)


def take(name: str, take_name: str = "") -> str:
    """The row's selector by what it shows: variant and seed."""
    return f".song:has(h2:text-is('{name}')) .take:has(.what:has-text('{take_name}'))"
