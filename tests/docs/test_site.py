"""The site is built strictly, every page is in its navigation, and no page asks the network for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CONFIG = ROOT / "docs" / "zensical.toml"
LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src", "audio": "src"}
HARMLESS = {"canonical", "next", "prev", "alternate"}
"""Links that no browser follows by itself."""


class Loads(HTMLParser):
    """What a browser fetches by itself to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag in LOADED and not HARMLESS.intersection((told.get("rel") or "").split()):
            self.found.append(told.get(LOADED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; the build is strict, so that a dead link is no site."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(PAGES, folder / "pages")
    shutil.copy(CONFIG, folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", str(folder / CONFIG.name)]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


def test_every_page_is_built_and_in_the_navigation(site: Path) -> None:
    named = set(re.findall(r'"([\w/-]+\.md)"', CONFIG.read_text("utf-8")))
    there = {page.relative_to(PAGES).as_posix() for page in PAGES.rglob("*.md")}

    assert named == there
    assert {page for page in there if not (site / page).with_suffix(".html").is_file()} == set()


def test_no_page_asks_the_network_for_anything(site: Path) -> None:
    asked = {}
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text("utf-8"))
        asked[page.name] = [url for url in loads.found if re.match(r"(?:https?:)?//", url)]
    styles = [
        path for path in site.rglob("*.css") if re.search(r"(?:@import|url\()\s*[\"']?https?:", path.read_text("utf-8"))
    ]

    assert {page: urls for page, urls in asked.items() if urls} == {}
    assert styles == []


def test_a_dead_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_text("# One\n\n[nowhere](nowhere.md)\n", "utf-8")
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "one"\ndocs_dir = "pages"\n', "utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", str(tmp_path / "zensical.toml")]

    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0
