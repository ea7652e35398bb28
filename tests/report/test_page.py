from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from renderer.report import Outcome, Report, render_page, write_report
from tests.report.songs import broken, rendered, small_report, song

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`\u202e\x00\x1b[31m{{ 7*7 }}"


class Elements(HTMLParser):
    """Every element with its attributes, and the text that stands in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, text: str) -> None:
        self.texts.setdefault(self._open, []).append(text)


def folded(page: str) -> list[str]:
    """The pieces that open on demand."""
    packed = re.search(r'id="folds" data-together="yes">(.*?)</script>', page, re.DOTALL)
    assert packed
    songs: list[list[str]] = json.loads(zlib.decompress(base64.b64decode(packed[1]), -15))
    return [piece for song in songs for piece in song]


def test_the_page_names_every_song_take_and_failure(tmp_path: Path) -> None:
    report = small_report(tmp_path)
    page = write_report(report, tmp_path / "report").read_text("utf-8")

    for one in report.songs:
        assert one.title in page
    assert page.count('class="take ') == len(report.takes) == 7
    assert "the sound is silent" in page
    assert "every sample is below 1e-5 before scaling" in page
    assert "<h1>7 takes of 3 songs</h1>" in page
    assert "Guitarra española - solo melancólico y rápido" in page


def test_every_file_the_page_points_to_is_there(tmp_path: Path) -> None:
    page = write_report(small_report(tmp_path), tmp_path / "report")
    links = [
        attributes["href"]
        for tag, attributes in Elements("".join(folded(page.read_text("utf-8")))).found
        if tag == "a" and "class" not in attributes and not (attributes["href"] or "").startswith("#")
    ]
    assert len(links) >= 6
    for link in links:
        assert (page.parent / unquote(link or "")).resolve().is_file(), link


def test_its_policy_lets_only_its_own_style_and_script_run(tmp_path: Path) -> None:
    page = render_page(small_report(tmp_path))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    for tag in ("style", "script"):
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(inline) == 1
        digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in policy.group(1)
    assert "unsafe" not in policy.group(1)
    assert not re.search(r'\bstyle="|\bon[a-z]+="', page)


def test_hostile_words_stay_words() -> None:
    take = dataclasses.replace(
        broken("x", seed=1),
        name=HOSTILE,
        variant=HOSTILE,
        why=HOSTILE,
        prompts={HOSTILE: HOSTILE},
        settings={HOSTILE: HOSTILE},
    )
    report = Report(
        songs=(song("x", HOSTILE, (take,), caption=HOSTILE, lyrics=HOSTILE, source=HOSTILE),), notes=(HOSTILE,)
    )
    page = render_page(report)
    elements = Elements(page)

    assert [attributes for tag, attributes in elements.found if tag == "script"] == [
        {"type": "application/json", "id": "facts"},
        {"type": "text/plain", "id": "folds", "data-together": "yes"},
        {},
    ]
    opened = Elements("".join(folded(page)))
    assert not [tag for tag, _ in elements.found + opened.found if tag in ("img", "script")][3:]
    assert not [name for _, attributes in elements.found + opened.found for name in attributes if name.startswith("on")]
    title = elements.texts["h2"]
    assert any("</script><script>alert(1)" in text and "␀␛[31m{{ 7*7 }}" in text for text in title)


@pytest.mark.parametrize("name", ["a#b", "100%", "what?", "one two", "ñ夜"])
def test_file_names_with_signs_of_urls_are_found(tmp_path: Path, name: str) -> None:
    take = rendered(tmp_path, name, seed=1, seconds=0.2)
    page = write_report(Report(songs=(song(name, "x", (take,)),)), tmp_path / "report")
    (link,) = {a["href"] for tag, a in Elements("".join(folded(page.read_text("utf-8")))).found if tag == "a"}
    assert re.fullmatch(r"[\w./~%-]+", link or "", re.ASCII)
    assert (page.parent / unquote(link or "")).resolve().is_file()


def test_an_interrupted_run_says_so_and_what_still_waits(tmp_path: Path) -> None:
    report = small_report(tmp_path)
    assert report.run
    waiting = dataclasses.replace(broken("late", seed=5), outcome=Outcome.WAITING, failure=None)
    page = render_page(
        dataclasses.replace(
            report,
            songs=(*report.songs, song("late", "Late", (waiting,))),
            run=dataclasses.replace(report.run, ended="interrupted"),
        )
    )
    assert "then interrupted" in page
    assert "1 waiting" in page
    words = " ".join(
        re.sub(r"<[^>]+>", "", page[page.index('class="lede">') :].split(">", 1)[1].split("</p>")[0]).split()
    )
    assert re.search(r"1 waiting; the last run took \d+ s, then interrupted\.$", words), words
    assert "not rendered yet" in page


def test_settings_that_differ_between_variants_stand_open_and_all_of_them_folded(tmp_path: Path) -> None:
    page = render_page(small_report(tmp_path))
    shown = page[page.index('class="settings"') : page.index("All settings", page.index('class="settings"'))]
    assert re.sub(r"<[^>]+>", " ", shown).split()[-5:] == ["base", "wide", "shift", "3", "2"]
    table = next(piece for piece in folded(page) if "inference_steps" in piece)
    rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
    assert re.sub(r"<[^>]+>", " ", rows[1]).split() == ["shift", "3", "2"]
    assert ["inference_steps", "8", "8"] in [re.sub(r"<[^>]+>", " ", row).split() for row in rows]


def test_a_vae_is_told_where_some_variant_has_another_than_its_models(tmp_path: Path) -> None:
    report = small_report(tmp_path)
    songs = tuple(
        dataclasses.replace(
            one, takes=tuple(dataclasses.replace(take, vae="bright" if take.variant else None) for take in one.takes)
        )
        for one in report.songs
    )

    def settings(page: str) -> list[list[str]]:
        rows = [row for piece in folded(page) for row in re.findall(r"<tr.*?</tr>", piece, re.DOTALL)]
        return [re.sub(r"<[^>]+>", " ", row).split() for row in rows]

    assert ["vae", "–", "bright"] in settings(render_page(dataclasses.replace(report, songs=songs)))
    assert not [row for row in settings(render_page(report)) if row[:1] == ["vae"]]


def test_the_same_report_gives_the_same_page(tmp_path: Path) -> None:
    report = small_report(tmp_path)
    assert render_page(report) == render_page(report)


def test_writing_the_report_imports_no_audio_library_and_no_torch() -> None:
    heavy = "{'torch', 'soundfile', 'librosa', 'renderer.formats.id3'}"
    script = f"import sys; import renderer.report; print({heavy} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
