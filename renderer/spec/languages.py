"""The languages and key signatures ACE-Step was trained with, and what people write for them."""

from __future__ import annotations

import re

# Source: ace-step/ACE-Step-1.5, acestep/constants.py
LANGUAGES = (
    "ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr",
    "ht", "hu", "id", "is", "it", "ja", "ko", "la", "lt", "ms", "ne", "nl", "no", "pa", "pl", "pt", "ro",
    "ru", "sa", "sk", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "yue", "zh", "unknown",
)  # fmt: skip

KEYSCALE_PATTERN = r"^[ \t]*[A-Ga-g][#b♯♭]?[ \t]*([Mm]ajor|MAJOR|[Mm]inor|MINOR|[Mm]aj|[Mm]in|m)[ \t]*$"
_KEYSCALE = re.compile(r"\s*([A-Ga-g])([#b♯♭]?)\s*(\w+)\s*")
_ACCIDENTALS = {"♯": "#", "♭": "b"}

TIMESIGNATURES = {"2": "2", "3": "3", "4": "4", "6": "6", "2/4": "2", "3/4": "3", "4/4": "4", "6/8": "6"}


def normalised_keyscale(written: str) -> str | None:
    """`F♯ Minor`, `f#m` as `F# minor`, the way the training texts spell it; None when it is no key signature."""
    match = _KEYSCALE.fullmatch(written)
    if match is None or re.fullmatch(KEYSCALE_PATTERN, written) is None:
        return None
    note, accidental, mode = match.groups()
    major = mode.lower().startswith("maj")
    return f"{note.upper()}{_ACCIDENTALS.get(accidental, accidental)} {'major' if major else 'minor'}"
