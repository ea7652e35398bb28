"""Lints of the caption: its length, and what belongs into the metas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renderer.spec.findings import Finding
from renderer.spec.languages import normalised_keyscale
from renderer.spec.script import num_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.lints.subject import Subject

MAX_CAPTION = 512  # characters. Source: ace-step/ACE-Step-1.5, docs/en
MAX_PROMPT_TOKENS = 256  # of the DiT's text prompt; the rest is cut off, and metas come last
TEMPLATE_TOKENS = 62  # of instruction, headings and metas around the caption, about

_BPM = re.compile(r"\b(\d{2,3})\s*(?:bpm|beats per minute)\b", re.IGNORECASE)
_KEY = re.compile(
    r"\b(?:in|key of|key:)\s+([A-G](?:#|b|\u266f|\u266d|-sharp|-flat)?\s*(?:major|minor))\b", re.IGNORECASE
)


def long_caption(subject: Subject) -> Iterator[Finding]:
    """More characters than ACE-Step reads well."""
    length = len(subject.song.caption)
    if length > MAX_CAPTION:
        yield Finding(
            path=("caption",),
            message=f"the caption has {length} characters",
            why=f"more than {MAX_CAPTION} make ACE-Step follow it less",
            help="keep genre, instruments, mood and voice",
        )


def long_prompt(subject: Subject) -> Iterator[Finding]:
    """A text prompt that likely leaves no room for the metas."""
    tokens = num_tokens(subject.song.caption) + TEMPLATE_TOKENS
    if tokens > MAX_PROMPT_TOKENS:
        yield Finding(
            path=("caption",),
            message=f"the DiT's text prompt has about {tokens} tokens",
            why=f"it reads {MAX_PROMPT_TOKENS}, and bpm, key and duration come last: they would be cut off",
            help="shorten the caption",
        )


def tempo_in_caption(subject: Subject) -> Iterator[Finding]:
    """A tempo in the caption that the metas contradict, or should have instead."""
    asked = subject.song.metas.bpm
    for match in _BPM.finditer(subject.draft.spec.caption):
        if int(match[1]) != asked:
            yield Finding(
                path=("caption",),
                part=(match.start(), len(match[0])),
                message=f"the caption asks for {match[1]} bpm",
                why=f"`bpm` is {asked}" if asked else "the LM decides the tempo, and may decide otherwise",
                help="take it out here and set `bpm`",
            )


def key_in_caption(subject: Subject) -> Iterator[Finding]:
    """A key in the caption that the metas contradict, or should have instead."""
    asked = subject.song.metas.keyscale
    for match in _KEY.finditer(subject.draft.spec.caption):
        named = normalised_keyscale(re.sub(r"(?i)-sharp", "#", re.sub(r"(?i)-flat", "b", match[1])))
        if named != asked:
            yield Finding(
                path=("caption",),
                part=(match.start(1), len(match[1])),
                message=f"the caption asks for {match[1]}",
                why=f"`keyscale` is {asked}" if asked else "the LM decides the key, and may decide otherwise",
                help="take it out here and set `keyscale`",
            )
