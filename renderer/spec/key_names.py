"""Key signatures as people write them in their languages -> ACE-Step's spelling: `H-Moll` as `B minor`."""

from __future__ import annotations

import re
import unicodedata

from renderer.spec.languages import normalised_keyscale


def _each(words: str, value: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), value)


_MODES = {
    **_each("major maj dur majeur majeure mayor maggiore maior majör мажор ματζόρε", "major"),
    **_each("大调 大調 長調 장조", "major"),
    **_each("minor min moll mol mineur mineure menor minore minör минор мінор μινόρε", "minor"),
    **_each("小调 小調 短調 단조", "minor"),
}
_GERMAN_MODES = frozenset({"dur", "moll", "mol"})  # where B is B flat and H is B
_SHARP = [
    "#",
    "♯",
    "sharp",
    "dièse",
    "diese",
    "diesis",
    "sostenido",
    "sustenido",
    "диез",
    "дієз",
    "диэз",
    "升",
    "嬰",
    "올림",
]
_FLAT = ["b", "♭", "flat", "bémol", "bemol", "bemolle", "бемоль", "бемол", "降", "変", "變", "내림"]
_GERMAN_NOTES = {
    "cis": "C#", "dis": "D#", "fis": "F#", "gis": "G#", "ais": "A#", "eis": "F", "his": "C", "ces": "B", "des": "Db",
    "es": "Eb", "fes": "E", "ges": "Gb", "as": "Ab", "aes": "Ab", "hes": "Bb", "bes": "Bb",
}  # fmt: skip
_NOTES = {
    **{letter: letter.upper() for letter in "abcdefg"},
    "h": "B",
    **dict(zip(["do", "re", "mi", "fa", "sol", "la", "si"], "CDEFGAB", strict=True)),
    **dict(zip(["ut", "ré"], "CD", strict=True)),
    **dict(zip(["до", "ре", "ми", "фа", "соль", "ля", "си"], "CDEFGAB", strict=True)),
    **dict(zip(["мі", "сі"], "EB", strict=True)),
    **dict(zip("ハニホヘトイロ", "CDEFGAB", strict=True)),
    **dict(zip("다라마바사가나", "CDEFGAB", strict=True)),
}
_FRAME = re.compile(r"^(?:in |the |key |of |key:|tonality:|tonart:?)+|(?: key| scale| natural)+$")
_MODE_AT_END = re.compile("(.*?)[\\s-]*(" + "|".join(sorted(map(re.escape, _MODES), key=len, reverse=True)) + ")[.]?")


def keyscale_meant(written: str) -> str | None:
    """`C moll`, `B-flat Major`, `Si bémol majeur` as ACE-Step spells it; None when a part of it is missing."""
    text = _plain(written)
    match = _MODE_AT_END.fullmatch(text)
    note = _note(match[1], german=match[2] in _GERMAN_MODES) if match else None
    return normalised_keyscale(f"{note} {_MODES[match[2]]}") if match and note else normalised_keyscale(written)


def note_meant(written: str) -> str | None:
    """`Bb`, `F sharp` as the note of a key signature whose mode is missing; None when it is no note."""
    return _note(_plain(written), german=False)


def _plain(written: str) -> str:
    text = (
        unicodedata.normalize("NFKC", written)
        .casefold()
        .replace("_", " ")
        .replace("\u2011", "-")
        .replace("\u2013", "-")
    )
    return _FRAME.sub("", " ".join(text.split())).strip(" .,-")


def _note(text: str, *, german: bool) -> str | None:
    text = text.strip(" -")
    if text in _GERMAN_NOTES:
        return _GERMAN_NOTES[text]
    if german and text in {"b", "h"}:
        return {"b": "Bb", "h": "B"}[text]
    for signs, sign in ((_SHARP, "#"), (_FLAT, "b")):
        for word in signs:
            bare = text.removesuffix(word) if text.endswith(word) else text.removeprefix(word)
            if bare != text and (note := _NOTES.get(bare.strip(" -"))):
                return f"{note}{sign}"
    return _NOTES.get(text)
