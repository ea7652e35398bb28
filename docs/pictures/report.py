"""The report of a small project -> its picture: a PNG of Chromium's, with as few colours as it needs."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

from docs.pictures.program import make_project, run

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
_WIDTH, _HEIGHT = 1180, 820
_COLOURS = 128
_HEARD_MS = 4000


def picture_report(folder: Path) -> bytes:
    """Renders, votes and looks at the page as a listener would."""
    project = make_project(folder / "songs")
    run(project, "render")
    run(project, "keep", "puerto.s2", "--note", "the chorus is right")
    run(project, "report")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_browser(), args=_FLAGS)
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        page.goto((project / "outputs" / "report" / "index.html").as_uri())
        _listen(page)
        shot = page.screenshot()
        browser.close()
    return _small(shot)


def _listen(page: Page) -> None:
    """The second song's second take, stopped at a while in."""
    heading = page.get_by_role("heading", name="Puerto viejo")
    heading.evaluate("heading => window.scrollTo(0, heading.getBoundingClientRect().top - 76)")
    page.keyboard.press("2")
    page.locator("#player").wait_for()
    page.wait_for_timeout(_HEARD_MS)
    page.keyboard.press(" ")


def _browser() -> str:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("the report's picture takes Chromium")
    return found


def _small(shot: bytes) -> bytes:
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()
