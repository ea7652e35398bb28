"""What a tag of the lyrics names: a part with words or without, its ending, a direction, a language. Knows no lines."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import cache, lru_cache

from renderer.facts import LANGUAGES
from renderer.spec.tag_names import (
    DIRECTION_PARTS,
    DIRECTION_WORDS,
    ENDINGS,
    INSTRUMENTAL_NAMES,
    LANGUAGE_NAMES,
    MODIFIERS,
    SUNG_NAMES,
    WEAK_NAMES,
)

_CACHED = 4096  # tags; a project's songs share most of theirs


class TagKind(StrEnum):
    """What a tag is for."""

    SUNG = "sung"
    """A part with words: `verse 2`, `サビ`."""
    INSTRUMENTAL = "instrumental"
    """A part that needs none: `guitar solo`."""
    ENDING = "ending"
    """How the part before it ends, or the song: `song fades out`."""
    DIRECTION = "direction"
    """How a part sounds: `whispered`, `mood: tender`."""
    LANGUAGE = "language"
    """The language of what follows: `en`."""
    UNKNOWN = "unknown"


SECTION_NAMES = tuple(sorted(SUNG_NAMES | INSTRUMENTAL_NAMES | {"fade out", "silence"}))
PARTS = frozenset({TagKind.SUNG, TagKind.INSTRUMENTAL})
_REPEATS = r"(?:\(?\s*(?:[x×✕х*]\s*\d+|\d+\s*[x×✕х])\s*\)?)"
_DECORATION = re.compile(
    rf"^\d{{1,2}}\s*(?:st|nd|rd|th|er|ère|ème|e|-й|-я|-ый|-ая|[.)ºª°])?(?=\W|[^\x00-\x7f])\s*(?=\D)|[\s.#№]*(?:{_REPEATS}|#?\d+|\b[ivIV]+)$"
)
_SEPARATORS = re.compile(r"[\s/&+,;|·・_()（）-]+")
_SPACES = re.compile(r"[\s/&+,;:.|·_()（）]+")
_UNSPACED = "[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # ranges so wide are slow to compile
_ORDINAL = re.compile(r"第[一二三四五六七八九十\d]+[段节節次遍]?")


def singular(tag: str) -> str:
    """A tag as it stands in the lists: small letters, without number or repeat."""
    name = " ".join(unicodedata.normalize("NFC", tag).casefold().split())
    bare = _DECORATION.sub("", _ORDINAL.sub("", name)).strip(" .:-№")
    return bare or name


@cache
def _anywhere(names: frozenset[str]) -> re.Pattern[str]:
    """Any of the names as whole words; inside longer ones where words aren't parted by spaces.

    Made when the first tag comes that no list has as it is.
    """
    ordered = sorted(names, key=len, reverse=True)
    spaced = "|".join(re.escape(name) for name in ordered if not re.search(_UNSPACED, name))
    inside = [re.escape(name) for name in ordered if re.search(_UNSPACED, name) and len(name) > 1]
    return re.compile("|".join([rf"(?<![^\W_])(?:{spaced})(?![^\W_])", *inside]))


_SUNG = SUNG_NAMES - {"part", "stick", "bro", "most", "slot", "bait", "hook", "koro", "son"}
_INSTRUMENTAL = INSTRUMENTAL_NAMES - {
    "start", "tag", "slot", "theme", "final", "finale", "musik", "climax", "opening",
}  # fmt: skip
_STRUCTURAL = SUNG_NAMES | {"intro", "outro", "interlude", "solo", "break", "breakdown", "bridge", "drop", "coda"}
_WORDLESS = re.compile(r"\b(?:instrumental|solos?|interlude|break)\b")
_ENDINGS = frozenset(ENDINGS)
_SAID_ENDINGS = frozenset({
    "fade out", "fade-out", "fadeout", "fade in", "fades out", "music fades out", "song fades out",
    "instrumental fades out", "end of song", "song ends", "淡出", "フェードアウト", "페이드아웃",
})  # fmt: skip
_SHOUTED = frozenset({
    "break", "drop", "end", "ending", "final", "finale", "start", "opening", "tag", "silence", "pause", "solo", "build",
    "climax", "rap", "part", "theme", "jam", "instrumental", "most", "bro", "stick", "slot", "hook",
})  # fmt: skip


@lru_cache(_CACHED)
def kind_of(tag: str) -> TagKind:
    """What the tag is for, as far as its words tell."""
    name = singular(tag)
    listed = _listed(name)
    if listed is TagKind.UNKNOWN and not _WORDLESS.search(name):
        listed = _listed(_without_modifiers(name))
    if listed is not TagKind.UNKNOWN:
        return listed
    if _anywhere(_ENDINGS).search(name) and not _anywhere(_STRUCTURAL).search(name):
        return TagKind.ENDING
    if _anywhere(_SUNG).search(name) and not _WORDLESS.search(name):
        return TagKind.SUNG
    if _anywhere(_INSTRUMENTAL).search(name):
        return TagKind.INSTRUMENTAL
    return TagKind.DIRECTION if _directs(name) else TagKind.UNKNOWN


def _listed(name: str) -> TagKind:
    if name in SUNG_NAMES:
        return TagKind.SUNG
    if name in INSTRUMENTAL_NAMES:
        return TagKind.INSTRUMENTAL
    if name in LANGUAGES or name in LANGUAGE_NAMES:
        return TagKind.LANGUAGE
    return TagKind.ENDING if name in _ENDINGS else TagKind.UNKNOWN


def is_known(tag: str) -> bool:
    """Whether ACE-Step is known to follow the tag, as a part or as a direction."""
    return kind_of(tag) is not TagKind.UNKNOWN


def names_part(text: str) -> bool:
    """Whether the text is a part's name and nothing else: `Final Chorus 2`, not `chorus of birds`."""
    name = singular(text)
    if _listed(name) in PARTS:
        return True
    few = len(_SEPARATORS.split(name)) <= 5  # noqa: PLR2004 - words a part's name has
    return few and _listed(_without_modifiers(name)) in PARTS


def _without_modifiers(name: str) -> str:
    """`second verse` as `verse`."""
    words = _SEPARATORS.split(name)
    return " ".join(word for word in words if word and word not in MODIFIERS and not word.isdecimal())


def names_ending(text: str) -> bool:
    """Whether the text is a common way to say how a song ends, and nothing that is sung: `fade out`."""
    return " ".join(text.casefold().split()) in _SAID_ENDINGS


def is_weak(text: str) -> bool:
    """Whether the name is also a word that may well be sung: `break`, `the end`."""
    return singular(text) in WEAK_NAMES


def is_shouted(text: str) -> bool:
    """Whether the name may stand in capitals for a word that is shouted: `BREAK`, not `CORO`."""
    return singular(text) in _SHOUTED


def _directs(name: str) -> bool:
    """Whether at least half of the words say how something sounds."""
    if any(part in name for part in DIRECTION_PARTS):
        return True
    words = [word for word in _SPACES.split(name) if word and not word.isdecimal()]
    known = sum(map(_is_direction, words))
    others = sum(word not in MODIFIERS and not _is_direction(word) for word in words)
    return bool(known) and known >= others


def _is_direction(word: str) -> bool:
    parts = (word, word.removesuffix("ly"), *word.split("-"))
    return any(part in DIRECTION_WORDS for part in parts)


def is_direction(text: str) -> bool:
    """Whether each of the words says how something sounds: `soft and slow`, not `the rain`."""
    name = singular(text)
    words = [word for word in _SPACES.split(name) if word and word not in {"and", "with"}]
    return bool(words) and (all(map(_is_direction, words)) or any(part in name for part in DIRECTION_PARTS))
