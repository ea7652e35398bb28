"""A real Chromium; without one these tests are skipped, or fail where RENDERER_REQUIRE_BROWSER says they must run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from renderer.report import Report, write_report
from tests.patience import PATIENCE_SECONDS
from tests.report.songs import small_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
expect.set_options(timeout=PATIENCE_SECONDS * 1000)
SECONDS = 20.0  # of the tones: longer than a test takes to look at them, on a slow machine too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("RENDERER_REQUIRE_BROWSER") == "1":
            pytest.fail("these tests must run here, and there is no Chromium")
        pytest.skip("no Chromium found")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS, timeout=PATIENCE_SECONDS * 1000)
        yield browser
        browser.close()


class Watched:
    """A page with all that must not happen on it: errors, refusals of the policy, requests that leave the folder."""

    def __init__(self, page: Page, allowed: str) -> None:
        self.page = page
        self.faults: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self._note(request.url, allowed))

    def _note(self, url: str, allowed: str) -> None:
        self.requests.append(url)
        if not url.startswith((allowed, "blob:", "data:")):
            self.faults.append(f"request: {url}")


@pytest.fixture
def watch(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a URL in a browser of its own; at the end nothing may have gone wrong on it."""
    watched: list[Watched] = []

    def open_page(url: str, *, allowed: str = "file://", **options: object) -> Page:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        page = context.new_page()
        watched.append(Watched(page, allowed))
        page.goto(url)
        return page

    yield open_page
    faults = [fault for one in watched for fault in one.faults]
    for one in watched:
        one.page.context.close()
    assert faults == []


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder of tones; read it, never write to it."""
    folder = tmp_path_factory.mktemp("outputs")
    write_report(small_report(folder, seconds=SECONDS), folder / "report")
    return folder


@pytest.fixture
def page(watch: Callable[..., Page], outputs: Path) -> Page:
    """The report of those tones, from disk."""
    return watch((outputs / "report" / "index.html").as_uri())


@pytest.fixture(scope="session")
def report_of() -> Callable[[Report, Path], str]:
    """Writes a report; its URL."""
    return lambda report, folder: write_report(report, folder / "report").as_uri()


def renderer(folder: Path, *arguments: str) -> list[str]:
    """The command line of the real program, for `subprocess`, in `folder`."""
    del folder
    return [sys.executable, "-m", "renderer", *arguments]


def run_renderer(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        renderer(folder, *arguments), cwd=folder, capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return done


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
