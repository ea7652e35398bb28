"""Frames of a terminal -> an SVG that plays them by CSS: it moves in a README, where no script may run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Runs = tuple[tuple[str, str], ...]
_CELL, _ROW, _PAD, _BAR = 8.4, 19, 14, 34
_COLOURS: Mapping[str, str] = {
    "red": "#ff7b72",
    "green": "#7ee787",
    "brown": "#e3b341",
    "yellow": "#e3b341",
    "blue": "#79c0ff",
    "cyan": "#76e3ea",
    "magenta": "#d2a8ff",
}
_STYLE = """\
.t{{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#c9d1d9;white-space:pre}}
.b{{font-weight:bold}}.w{{fill:#8b949e}}{colours}
.f{{visibility:hidden;animation:{seconds:.2f}s step-end infinite}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is seen for a while."""

    rows: tuple[Runs, ...]
    """Of the terminal: runs of (style, text)."""
    seconds: float
    words: str
    """Below the terminal: what the person at it did."""

    def lasting(self, seconds: float) -> Frame:
        """The same, shown for so long."""
        return replace(self, seconds=seconds)


def recording(frames: Sequence[Frame], *, columns: int, title: str) -> str:
    """One SVG; a row that comes again is written once."""
    known: dict[Runs, str] = {}
    for frame in frames:
        for row in frame.rows:
            if row:
                known.setdefault(row, f"r{len(known)}")
    lines = max(len(frame.rows) for frame in frames) + 1
    width, height = round(columns * _CELL + 2 * _PAD), _BAR + (lines + 1) * _ROW + _PAD
    ends = list(accumulate(frame.seconds for frame in frames))
    style = _STYLE.format(
        seconds=ends[-1], colours="".join(f".c-{name}{{fill:{colour}}}" for name, colour in _COLOURS.items())
    )
    shown = "".join(_keyframes(number, start, end, ends[-1]) for number, (start, end) in enumerate(_spans(ends)))
    drawn = "".join(_frame(number, frame, known, lines) for number, frame in enumerate(frames))
    rows = "".join(
        f'<text id="{name}" class="t" xml:space="preserve">{_text(row)}</text>' for row, name in known.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(title)}"><style>{style}{shown}</style><defs>{rows}</defs>'
        f'<rect width="{width}" height="{height}" rx="9" fill="#0d1117"/>{_bar(width, title)}{drawn}</svg>\n'
    )


def _spans(ends: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip([0.0, *ends], ends, strict=False))


def _keyframes(number: int, start: float, end: float, total: float) -> str:
    """Visible from its start to its end; the first one also where nothing is animated."""
    first, last = 100 * start / total, 100 * end / total
    before = "" if start == 0 else "0%{visibility:hidden}"
    after = "" if end == total else f"{last:.3f}%{{visibility:hidden}}"
    keyframes = f"@keyframes k{number}{{{before}{first:.3f}%{{visibility:visible}}{after}}}"
    return f"{keyframes}#f{number}{{animation-name:k{number}}}"


def _frame(number: int, frame: Frame, known: Mapping[Runs, str], lines: int) -> str:
    uses = "".join(
        f'<use href="#{known[row]}" x="{_PAD}" y="{_BAR + (at + 1) * _ROW}"/>'
        for at, row in enumerate(frame.rows)
        if row
    )
    words = (
        f'<text class="t w" x="{_PAD}" y="{_BAR + (lines + 1) * _ROW}">{escape(frame.words)}</text>'
        if frame.words
        else ""
    )
    return f'<g class="f" id="f{number}">{uses}{words}</g>'


def _text(row: Runs) -> str:
    return "".join(f'<tspan class="{style}">{escape(text)}</tspan>' if style else escape(text) for style, text in row)


def _bar(width: int, title: str) -> str:
    dots = "".join(
        f'<circle cx="{_PAD + 6 + 18 * at}" cy="17" r="5.5" fill="{colour}"/>'
        for at, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return f'{dots}<text class="t w" x="{width // 2}" y="22" text-anchor="middle">{escape(title)}</text>'
