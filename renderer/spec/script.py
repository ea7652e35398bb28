"""Writing systems: which a text is in, and how many syllables and tokens it has, by estimate. Knows no specs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A writing system."""

    name: str
    letters: str
    """A pattern."""
    syllables: str
    """A pattern of what is sung as about one syllable."""
    tokens: float
    """Tokens a letter takes in Qwen's vocabulary, roughly: frequent scripts have longer tokens."""


def _script(name: str, ranges: str, syllables: str, tokens: float) -> Script:
    return Script(name=name, letters=f"[{ranges}]", syllables=syllables, tokens=tokens)


_LATIN_VOWELS = "aeiouyAEIOUY\u00c0-\u00c6\u00c8-\u00cf\u00d2-\u00d6\u00d8-\u00dd\u00e0-\u00e6\u00e8-\u00ef\u00f2-\u00f6\u00f8-\u00fd\u0100-\u0105\u0112-\u011b\u0128-\u0131\u014c-\u0153\u0168-\u0173\u1ea0-\u1ef9"  # noqa: E501 - one set
_CYRILLIC_VOWELS = "аеёиоуыэюяієїѣАЕЁИОУЫЭЮЯІЄЇ"
_GREEK_VOWELS = (
    "\u0386-\u0391\u0395\u0397\u0399\u039f\u03a5\u03a9-\u03b1\u03b5\u03b7\u03b9\u03bf\u03c5\u03c9-\u03ce\u1f00-\u1fff"
)

LATIN = _script("Latin", "A-Za-z\u00c0-\u024f\u1e00-\u1eff", f"[{_LATIN_VOWELS}]+", 0.29)
SCRIPTS: Mapping[str, Script] = {
    script.name: script
    for script in (
        LATIN,
        _script("Han", "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff", "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]", 0.75),
        # Small kana belong to the sign before them; the length mark is sung as a beat of its own.
        _script("kana", "\u3041-\u30ff\u31f0-\u31ff", "[\u3042\u3044\u3046\u3048\u304a-\u3082\u3084\u3086\u3088-\u308d\u308f-\u3094\u30a2\u30a4\u30a6\u30a8\u30aa-\u30e2\u30e4\u30e6\u30e8-\u30ed\u30ef-\u30f4\u30fc]", 0.75),  # noqa: E501 - one set
        _script("Hangul", "\uac00-\ud7af", "[\uac00-\ud7af]", 0.8),
        _script("Cyrillic", "\u0400-\u052f", f"[{_CYRILLIC_VOWELS}]", 0.42),
        _script("Greek", "\u0370-\u03ff\u1f00-\u1fff", f"[{_GREEK_VOWELS}]+", 0.75),
        _script("Arabic", "\u0620-\u064a\u066e-\u06d3", "[\u0620-\u064a\u066e-\u06d3]{1,2}", 0.5),
        _script("Hebrew", "\u05d0-\u05ea", "[\u05d0-\u05ea]{1,2}", 0.6),
        _script("Devanagari", "\u0900-\u097f", "[\u0904-\u0939\u0958-\u0961](?!\u094d)", 0.9),
        _script("Bengali", "\u0980-\u09ff", "[\u0985-\u09b9](?!\u09cd)", 1.1),
        _script("Gurmukhi", "\u0a00-\u0a7f", "[\u0a05-\u0a39](?!\u0a4d)", 1.3),
        _script("Tamil", "\u0b80-\u0bff", "[\u0b85-\u0bb9](?!\u0bcd)", 1.0),
        _script("Telugu", "\u0c00-\u0c7f", "[\u0c05-\u0c39](?!\u0c4d)", 1.2),
        _script("Thai", "\u0e00-\u0e7f", "[\u0e01-\u0e2e]{1,2}", 0.7),
    )
}  # fmt: skip
_OTHER_TOKENS = 0.7  # of digits, punctuation and signs; a line end is one
_ASCII_VOWELS = re.compile("[aeiouyAEIOUY]+")
_BEYOND_LATIN = re.compile("[^\x00-\u024f\u1e00-\u1eff\u2000-\u206f]")
_MARKS = re.compile(r"[^\w\s]|\d")

# The scripts a language is written in; a language that isn't here is written in Latin letters.
_WRITTEN_IN: Mapping[str, tuple[str, ...]] = {
    "ar": ("Arabic",), "fa": ("Arabic",), "ur": ("Arabic",), "az": ("Latin", "Cyrillic", "Arabic"), "bg": ("Cyrillic",),
    "ru": ("Cyrillic",), "uk": ("Cyrillic",), "sr": ("Cyrillic", "Latin"), "el": ("Greek",), "he": ("Hebrew",),
    "hi": ("Devanagari",), "ne": ("Devanagari",), "sa": ("Devanagari",), "bn": ("Bengali",), "ta": ("Tamil",),
    "te": ("Telugu",), "th": ("Thai",), "pa": ("Gurmukhi", "Arabic"), "ja": ("kana", "Han"), "zh": ("Han",),
    "yue": ("Han",), "ko": ("Hangul",),
}  # fmt: skip


# Words that English has and romanised Chinese, Japanese, Korean, Hindi and Arabic don't.
_ENGLISH = frozenset(
    """
    the and of with that this was what when from for your my but have they his will would just out down it it's is in
    our there don't i'm you're we're i'll can't we are not like love where never every into through
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_ENGLISH_SHARE = 0.2  # of an English text's words that are among these, at least
_WORD = re.compile(r"[a-z']+")
_LIKELY = {
    "kana": "ja", "Hangul": "ko", "Han": "zh", "Cyrillic": "ru", "Greek": "el", "Hebrew": "he", "Arabic": "ar",
    "Devanagari": "hi", "Bengali": "bn", "Gurmukhi": "pa", "Tamil": "ta", "Telugu": "te", "Thai": "th",
}  # fmt: skip


def is_english(text: str) -> bool:
    """Whether a text in Latin letters is English beyond doubt, by its small words."""
    words = _WORD.findall(text.lower().replace("\u2019", "'"))
    return sum(word in _ENGLISH for word in words) >= _ENGLISH_SHARE * max(len(words), 1)


def likely_language(letters: Mapping[str, int]) -> str:
    """The language most often written in these scripts; empty for Latin letters, which say too little."""
    return next((code for script, code in _LIKELY.items() if letters.get(script, 0) * 5 > sum(letters.values())), "")


def written_in(language: str) -> tuple[str, ...]:
    """The scripts that a language code's texts are in; empty where nothing can be said."""
    return () if language == "unknown" else _WRITTEN_IN.get(language, ("Latin",))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Only what texts need: of two patterns a script, most users' songs have two."""
    return re.compile(pattern)


def letters(text: str) -> Mapping[str, int]:
    """How many letters of each script the text has; scripts without any are left out."""
    if text.isascii():
        count = sum(map(str.isalpha, text))
        return {"Latin": count} if count else {}
    if _BEYOND_LATIN.search(text) is None:
        return {"Latin": len(_compiled(LATIN.letters).findall(text))}
    counts = {name: len(_compiled(script.letters).findall(text)) for name, script in SCRIPTS.items()}
    return {name: count for name, count in counts.items() if count}


def num_syllables(text: str) -> int:
    """About how many syllables are sung; good to a fifth or so."""
    if text.isascii():
        return len(_ASCII_VOWELS.findall(text))
    if _BEYOND_LATIN.search(text) is None:
        return len(_compiled(LATIN.syllables).findall(text))
    return sum(len(_compiled(script.syllables).findall(text)) for script in SCRIPTS.values())


def num_tokens(text: str) -> int:
    """About how many tokens the text encoder makes of it; exact counts need the tokenizer."""
    letter_tokens = sum(count * SCRIPTS[name].tokens for name, count in letters(text).items())
    return round(letter_tokens + text.count("\n") + _OTHER_TOKENS * len(_MARKS.findall(text)))
