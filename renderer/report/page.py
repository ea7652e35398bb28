"""Report -> one HTML file: style, script and data inline, nothing else allowed by its own policy."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import zlib
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from renderer import __version__
from renderer.files import open_regular
from renderer.report import formatting, view
from renderer.report.timeline import make_timeline
from renderer.store.disk import RealDisk, write_whole
from renderer.takes.peaks import NUM_BINS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.report.values import Report

_END = b"</html>"
SCRIPTS = ("facts", "waves", "player", "compare", "votes", "filters", "keys", "folds", "live", "start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a page needs to talk to its server."""

    token: str
    """Proves that a vote comes from this page and not from another site."""


class Folds:
    """What opens on demand, as pieces of HTML, each once; packed, for prompts repeat lyrics and settings each other.

    Packed as they come: all that twenty thousand takes have to tell would not fit.
    """

    def __init__(self) -> None:
        self._positions: dict[bytes, int] = {}
        self._packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._packed = bytearray(self._packer.compress(b"["))

    def place(self, html: str) -> int:
        """Where the piece stands."""
        text = json.dumps(html, ensure_ascii=False).encode()
        digest = hashlib.sha256(text).digest()
        if digest not in self._positions:
            self._packed += self._packer.compress(b"," * bool(self._positions) + text)
            self._positions[digest] = len(self._positions)
        return self._positions[digest]

    def packed(self) -> str:
        """All pieces as JSON, deflated, in base64: a tenth of what they were. No piece comes after."""
        self._packed += self._packer.compress(b"]") + self._packer.flush()
        return base64.b64encode(self._packed).decode()


def write_report(report: Report, folder: Path) -> Path:
    """Write `index.html` into the folder, whole or not at all; its path.

    Raises: StoreError, OSError as the disk gives it.
    """
    page = folder / "index.html"
    content = io.BytesIO()
    for piece in _pieces(report):
        content.write(piece.encode())
    write_whole(RealDisk(), page, content.getvalue())  # which is no copy
    return page


def is_whole(page: Path) -> bool:
    """Whether a page is there to its end: a drive that lost power may have left an empty one, or zeros."""
    try:
        with open_regular(page) as file:
            file.seek(-len(_END), os.SEEK_END)
            return file.read() == _END
    except OSError:
        return False


def render_page(report: Report, served: Served | None = None) -> str:
    """The page as text; `served` is None for the file that opens from disk."""
    return "".join(_pieces(report, served))


def _pieces(report: Report, served: Served | None = None) -> Iterator[str]:
    """The page, bit by bit: of many takes it is larger than what it shows."""
    style, script = _part("style.css"), _script()
    seen = view.make_view(report)
    return _template().generate(
        report=report,
        run=report.run,
        view=seen,
        timeline=make_timeline(report.run) if report.run else None,
        facts=_facts(report, seen, served),
        folds=Folds(),
        style=Markup(style),  # noqa: S704 - our own file, hashed in the policy
        script=Markup(script),  # noqa: S704 - our own file, hashed in the policy
        policy=_policy(style, script, served),
        served=served,
        version=__version__,
    )


def _facts(report: Report, seen: view.View, served: Served | None) -> dict[str, object]:
    return {
        # One after the other, as the template asks for them.
        "takes": (
            view.take_facts(row, song, NUM_BINS, versioned=served is not None)
            for song in seen.songs
            for row in song.takes
        ),
        "picks": {name: asdict(pick) for name, pick in report.picks.items()},
        "served": asdict(served) if served else None,
    }


def _policy(style: str, script: str, served: Served | None) -> str:
    # `file:` because a page opened from disk has no origin that 'self' could name.
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "media-src 'self' file:",
            "img-src 'self' file:",
            "connect-src 'self'" if served else "connect-src 'none'",
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
def _script() -> str:
    # One function's scope: nothing of ours becomes a property of `window`.
    return "\n".join(('"use strict";', "(() => {", *(_part(f"script/{name}.js") for name in SCRIPTS), "})();"))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters = (
        *(formatting.clock, formatting.coded, formatting.decided, formatting.link, formatting.signed, formatting.size),
        *(formatting.took, formatting.visible),
    )
    environment.filters |= {filter_.__name__: filter_ for filter_ in filters}
    return environment.from_string(_part("page.html.jinja"))
