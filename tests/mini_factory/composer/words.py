"""Captions and lyrics about what the composer plays: several phrasings, two languages, and users' own noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from tests.mini_factory.composer.styles import Style

CAPTIONS = (
    "{mood} {style} with {a} and {b}.",
    "A {mood} {style}, {a}, {b}.",
    "{style}, {mood}, {a}, {b}",
    "A {mood} {style} driven by {a}, with {b} and {c}.",
    "{style}. The atmosphere is {mood}. {A}, {b}.",
    "A {mood} and {other} {style} built on {a}, {b} and {c}. {extra}",
    "{mood}, {other}, {style}, {a}, {b}, {c}, {tail}",
    "An instrumental-minded {style} that feels {mood}, {a} over {b}. {extra}",
    "{mood} {style}",
    "{style}",
)
CAPTIONS_ES = (
    "{style} {mood} con {a} y {b}.",
    "Un tema de {style}, {mood}, con {a}, {b} y {c}.",
    "{style}, {mood}, {a}, {b}",
    "{style} {mood}",
)
OTHERS = (
    "cinematic",
    "energetic",
    "calm",
    "powerful",
    "intimate",
    "modern",
    "nostalgic",
    "hypnotic",
    "minimalist",
    "lush",
)
EXTRAS = (
    "Vocals are delivered in a low, almost whispered tone.",
    "The chorus opens up with full energy.",
    "It builds slowly and lands hard.",
    "The mix is clean and wide.",
    "A confident voice carries the melody.",
    "Everything breathes in the bridge.",
    "",
)
TAILS = ("male vocal", "female vocal", "instrumental", "high quality", "studio mix", "wide stereo", "polished")
NOUNS = (
    "night",
    "fire",
    "river",
    "city",
    "summer",
    "shadow",
    "heart",
    "road",
    "dream",
    "window",
    "silver",
    "morning",
    "storm",
)
VERBS = ("running", "falling", "burning", "waiting", "dancing", "turning", "calling", "fading", "shining", "moving")
STARTS = ("we are", "I keep", "you were", "they keep", "still", "oh we", "tonight I'm", "nobody's", "all the stars are")
ENDS = ("in the {n}", "with the {n}", "like a {n}", "under the {n}", "for the {n} and the {m}", "away from the {n}")
NOUNS_ES = ("noche", "calle", "luna", "sombra", "ciudad", "fuego", "voz", "piel", "lluvia", "corona", "reina", "verdad")
STARTS_ES = (
    "yo camino",
    "tú me llamas",
    "nadie manda",
    "todo cae",
    "sigo sola",
    "vamos juntos",
    "la vida pasa",
    "no me busques",
)
ENDS_ES = ("por la {n}", "con la {n} en la {m}", "bajo la {n}", "sin tu {n}", "como una {n}", "de la {n} a la {m}")
ANNOTATIONS = ("", "", "", "", "(soft)", "(whispered)", "(full energy)", "(suave)", "(susurrado)")
SOLOS = (
    ("(guitar solo)", "guitar"),
    ("(Spanish guitar - fast and melancholic solo)", "guitar"),
    ("(Guitarra española - solo melancólico y rápido)", "guitar"),
    ("(piano solo)", "piano"),
    ("(synth solo)", "lead"),
    ("(solo de piano)", "piano"),
)
FORMS = (
    ("verse", "chorus"),
    ("intro", "verse", "chorus"),
    ("verse", "chorus", "verse", "chorus"),
    ("intro", "verse", "chorus", "outro"),
    ("verse", "chorus", "bridge", "chorus"),
    ("intro", "verse", "chorus", "bridge", "chorus", "outro"),
    ("verse", "pre-chorus", "chorus", "outro"),
    ("intro", "verse", "chorus", "solo", "chorus"),
    ("intro", "verse", "break", "drop", "outro"),
    ("verse", "chorus", "bridge", "outro"),
)
SCRIPTS = (
    "абвгдежиклмнопрстуя ",
    "あいうえおかきくけこさしすせそ",
    "가나다라마바사아자하 ",
    "αβγδεηικλμνοπρστω ",
    "夜风月光心河山花火雨",
)


def pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    """One of `choices`."""
    return choices[int(rng.integers(len(choices)))]


def caption(rng: np.random.Generator, style: Style, mood: str, language: str) -> str:
    """A caption in `language` (`en` or `es`) that names style and, if there is one, mood."""
    spanish = language == "es"
    instruments = list(style.instruments_es if spanish else style.instruments)
    rng.shuffle(instruments)
    text = pick(rng, CAPTIONS_ES if spanish else CAPTIONS).format(
        style=pick(rng, style.phrases_es if spanish else style.phrases),
        mood=mood,
        other=pick(rng, OTHERS),
        a=instruments[0],
        A=instruments[0][0].upper() + instruments[0][1:],
        b=instruments[1],
        c=instruments[2],
        extra=pick(rng, EXTRAS),
        tail=pick(rng, TAILS),
    )
    return tidy(text)


def tidy(text: str) -> str:
    """What is left when a mood was empty: no doubled blanks, no comma first, a capital where a sentence starts."""
    words = " ".join(text.split()).replace(" ,", ",").replace(", ,", ",").replace("is .", "is open.").strip(" ,")
    words = words.replace("A and ", "A ").replace("feels : ", "flows: ").replace(", , ", ", ")
    return words[0].upper() + words[1:]


def lyric_line(rng: np.random.Generator, language: str) -> str:
    """A line someone could sing; one language in a while is a script the composer doesn't know."""
    nouns: tuple[str, ...]
    if language == "es":
        start, end, nouns = pick(rng, STARTS_ES), pick(rng, ENDS_ES), NOUNS_ES
        line = f"{start} {end}"
    elif language == "en":
        start, end, nouns = pick(rng, STARTS), pick(rng, ENDS), NOUNS
        line = f"{start} {pick(rng, VERBS)} {end}"
    else:
        letters = SCRIPTS[int(language)]
        return (
            "".join(letters[int(index)] for index in rng.integers(0, len(letters), int(rng.integers(5, 14)))).strip()
            or letters[0]
        )
    line = line.format(n=pick(rng, nouns), m=pick(rng, nouns))
    return line[0].upper() + line[1:] if rng.random() < 0.7 else line


def lyrics(rng: np.random.Generator, form: tuple[str, ...], language: str, *, solo_share: float) -> str:
    """Tagged sections; `language` is `en`, `es`, a script's index, or empty for sections without words."""
    parts = []
    chorus = [lyric_line(rng, language) for _ in range(int(rng.integers(2, 5)))] if language else []
    number = 0
    for kind in form:
        number += kind == "verse"
        parts.append(_part(rng, kind, language, chorus, number, solo_share))
    return "\n\n".join(parts)


def _part(rng: np.random.Generator, kind: str, language: str, chorus: list[str], number: int, solo_share: float) -> str:
    head = f"[{kind}]"
    solo = kind == "solo" or (kind in {"bridge", "break"} and rng.random() < solo_share)
    if solo:
        return f"{head} {pick(rng, tuple(words for words, _ in SOLOS))}"
    if kind == "verse" and number > 1 and rng.random() < 0.5:
        head = f"[verse {number}]"
    if rng.random() < 0.2:
        head = head.title() if rng.random() < 0.5 else f"{head} {pick(rng, ANNOTATIONS)}".strip()
    if not language or kind in {"intro", "outro", "break", "drop"}:
        return head
    lines = chorus if kind == "chorus" else [lyric_line(rng, language) for _ in range(int(rng.integers(2, 6)))]
    return "\n".join([head, *lines])
