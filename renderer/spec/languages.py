"""What people write for ACE-Step's languages, key signatures and times: their spellings -> its own."""

from __future__ import annotations

import re

from renderer.facts import LANGUAGES

LANGUAGE_NAMES = {
    "arabic": "ar", "azerbaijani": "az", "bengali": "bn", "bulgarian": "bg", "cantonese": "yue", "catalan": "ca",
    "chinese": "zh", "cn": "zh", "mandarin": "zh", "中文": "zh", "croatian": "hr", "czech": "cs", "cz": "cs",
    "danish": "da", "dk": "da", "dutch": "nl", "english": "en", "filipino": "tl", "tagalog": "tl", "finnish": "fi",
    "french": "fr", "français": "fr", "german": "de", "deutsch": "de", "greek": "el", "gr": "el", "hebrew": "he",
    "hindi": "hi", "hungarian": "hu", "icelandic": "is", "indonesian": "id", "italian": "it", "italiano": "it",
    "japanese": "ja", "jp": "ja", "日本語": "ja", "korean": "ko", "kr": "ko", "한국어": "ko", "latin": "la",
    "lithuanian": "lt", "malay": "ms", "nepali": "ne", "norwegian": "no", "persian": "fa", "farsi": "fa",
    "polish": "pl", "portuguese": "pt", "português": "pt", "punjabi": "pa", "romanian": "ro", "russian": "ru",
    "русский": "ru", "sanskrit": "sa", "serbian": "sr", "slovak": "sk", "spanish": "es", "español": "es",
    "swahili": "sw", "swedish": "sv", "se": "sv", "tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr",
    "ukrainian": "uk", "ua": "uk", "urdu": "ur", "vietnamese": "vi", "auto": "unknown",
}  # fmt: skip
"""What people write for a language -> its code."""

KEYSCALE_PATTERN = r"^[ \t]*[A-Ga-g][#b♯♭]?[ \t]*([Mm]ajor|MAJOR|[Mm]inor|MINOR|[Mm]aj|[Mm]in|m)[ \t]*$"
_KEYSCALE = re.compile(r"\s*([A-Ga-g])([#b♯♭]?)\s*(\w+)\s*")
_ACCIDENTALS = {"♯": "#", "♭": "b"}

TIMESIGNATURES = {"2": "2", "3": "3", "4": "4", "6": "6", "2/4": "2", "3/4": "3", "4/4": "4", "6/8": "6"}


def language_meant(written: str) -> str | None:
    """The code of `Spanish`, `EN`, `pt-BR`; None when no language of ACE-Step's is meant."""
    word = written.strip().lower()
    head = re.split(r"[-_]", word)[0]
    meant = LANGUAGE_NAMES.get(word) or LANGUAGE_NAMES.get(head) or (word if word in LANGUAGES else head)
    return meant if meant in LANGUAGES else None


def normalised_keyscale(written: str) -> str | None:
    """`F♯ Minor`, `f#m` as `F# minor`, the way the training texts spell it; None when it is no key signature."""
    match = _KEYSCALE.fullmatch(written)
    if match is None or re.fullmatch(KEYSCALE_PATTERN, written) is None:
        return None
    note, accidental, mode = match.groups()
    major = mode.lower().startswith("maj")
    return f"{note.upper()}{_ACCIDENTALS.get(accidental, accidental)} {'major' if major else 'minor'}"
