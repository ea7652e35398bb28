"""Report -> one HTML file: style, script and data inline, nothing else allowed by its own policy."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from renderer import __version__
from renderer.output.report import view
from renderer.output.report.peaks import fold_peaks
from renderer.output.report.timeline import make_timeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.output.report.values import Report

NUM_BINS = 256  # bars of a waveform at its widest on the page


def write_report(report: Report, folder: Path) -> Path:
    """Write `index.html` into the folder, in one replacement; its path.

    Raises: OSError as the disk gives it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, temp = folder / "index.html", folder / ".index.html.tmp"
    temp.write_text(render_page(report), "utf-8")
    temp.replace(page)
    return page


def render_page(report: Report) -> str:
    """The page as text."""
    style, script = _part("style.css"), _part("script.js")
    seen = view.make_view(report)
    return _template().render(
        report=report,
        run=report.run,
        view=seen,
        timeline=make_timeline(report.run) if report.run else None,
        facts=_facts(seen),
        prompts=_packed(seen.prompts),
        style=Markup(style),  # noqa: S704 - our own file, hashed in the policy
        script=Markup(script),  # noqa: S704 - our own file, hashed in the policy
        policy=_policy(style, script),
        version=__version__,
    )


def _facts(seen: view.View) -> dict[str, object]:
    return {
        "takes": [view.deck_facts(row, song) for song in seen.songs for row in song.takes],
        "peaks": [fold_peaks(row.take.peaks, NUM_BINS) for row in seen.takes],
    }


def _packed(prompts: tuple[Mapping[str, str], ...]) -> str:
    # Prompts repeat the lyrics two or three times: deflated they cost a tenth, and nobody opens them all.
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    raw = json.dumps(prompts, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(packer.compress(raw) + packer.flush()).decode()


def _policy(style: str, script: str) -> str:
    # `file:` because a page opened from disk has no origin that 'self' could name.
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "media-src 'self' file:",
            "img-src 'self' file:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _part(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters = (view.clock, view.link, view.size, view.took, view.visible)
    environment.filters |= {filter_.__name__: filter_ for filter_ in filters}
    return environment.from_string(_part("page.html.jinja"))
