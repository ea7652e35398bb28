"""Numbers, paths and texts as the page writes them: the template's filters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from renderer.artifacts import CotMetas

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def link(path: str) -> str:
    """A relative path as a URL: song names may hold `#`, `%` and blanks."""
    return quote(path, safe="/.~-_")


def clock(seconds: float) -> str:
    """`2:30`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(seconds: float) -> str:
    """`1:02`, `1:15.5`: a place in a sound, in tenths."""
    minutes, rest = divmod(round(seconds * 10), 600)
    return f"{minutes}:{rest // 10:02}" + (f".{rest % 10}" if rest % 10 else "")


def whole(number: int) -> str:
    """`12,960,000`."""
    return f"{number:,}"


def took(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 9.95:  # noqa: PLR2004 - what would round to two digits needs no third
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(num_bytes: float) -> str:
    """`512 B`, `3.2 MB`."""
    for unit in ("B", "kB", "MB"):
        if num_bytes < 1000:  # noqa: PLR2004 - decimal units
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"


def signed(decibels: float) -> str:
    """One decimal with a true minus sign: `−14.2`."""
    return f"{decibels:.1f}".replace("-", "\u2212")


def decided(metas: CotMetas) -> str:
    """`96 bpm, A minor, time 4, 150 s, es`: as far as the chain of thought decided."""
    named = (
        (metas.bpm, "{} bpm"),
        (metas.keyscale, "{}"),
        (metas.timesignature, "time {}"),
        (metas.duration, "{} s"),
        (decided_language(metas), "{}"),
    )
    return ", ".join(form.format(value) for value, form in named if value is not None)


def decided_language(metas: CotMetas) -> str | None:
    """None as well where it wrote `unknown`, which is how it says that it decides on none."""
    return None if metas.language == "unknown" else metas.language


def coded(text: str) -> Markup:
    """Names between backticks set as code, as our messages write them."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )


def visible(text: str) -> str:
    """Control characters as their pictures: a page can't hold them, and hiding them would lie about what was sent."""
    # A page of thousands of takes asks this a million times, and hardly ever of a text that has any.
    return text if text.isprintable() else _CONTROLS.sub(lambda match: _picture(match.group()), text)


def _picture(character: str) -> str:
    code = ord(character)
    return "\u2421" if code == 0x7F else chr(0x2400 + code)  # noqa: PLR2004 - DEL stands apart from the other controls
