"""Whether it is worth looking for chords, times, repeats, labels or markup in lyrics: most have nothing of the kind."""

from __future__ import annotations

import re

from renderer.spec.headings import CHORD

BULLETS = "\u2022\u25cf\u25aa\u2023\u25e6"
NOTES = "\u2669-\u266c\U0001f3b5\U0001f3b6\U0001f3bc"
_SIGNS = re.compile(rf"[\d\[\]{{}}|<>&#*_=~+`:\uff1a{BULLETS}{NOTES}]")
_CHORDS = re.compile(
    rf"^[\s(]*(?:{CHORD.pattern}|N\.?C\.?)(?:[\s)]+|$)(?:[A-HN]|$)"
    r"|^.{0,40}\b(?:[Dd]o|[Rr][eé]|[Mm]i|[Ff]a|[Ss]ol|[Ll]a|[Ss]i)(?:[#b]m?\b|m\b|m?7)",
    re.MULTILINE,
)
_SPACED = re.compile(r"(?<!\S)[^\W\d_][^\w\s]?(?:[^\w\n]+[^\W\d_](?!\w)){4}")
_BRACKETED_LINE = re.compile(r"^\s*[(\uff08].{1,60}[)\uff09]\s*$", re.MULTILINE)
_PIECES = (
    *(
        "--",
        "- -",
        "\u2013\u2013",
        "\u2014\u2014",
        "\u2500",
        "\u2501",
        "\u2013 \u2013",
        "\u2014 \u2014",
        "http",
        "www.",
    ),
    *(
        "重",
        "反复",
        "反復",
        "繰り返",
        "くりかえ",
        "반복",
        " bis",
        "(bis",
        "repe",
        "répét",
        "répèt",
        "wiederhol",
        "wdh",
        "ripet",
    ),
    *("powt", "повтор", "tekrar", "lặp", "ulangi", "herhaal", "upprep", "gjenta", "toista", "repris"),
)


def may_have_marks(text: str) -> bool:
    """Whether it is worth looking through lyrics for any of the above; most have nothing of the kind. Quick."""
    if _SIGNS.search(text):
        return True
    small = text.lower()
    if any(piece in small for piece in _PIECES):
        return True
    if ("(" in text or "\uff08" in text) and _BRACKETED_LINE.search(text):
        return True
    return _SPACED.search(text) is not None or _CHORDS.search(text) is not None
