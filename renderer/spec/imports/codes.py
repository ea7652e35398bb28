"""ACE-Step's audio codes as text or numbers -> the codes that a spec pins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from renderer.facts import CODE_RATE, MAX_DURATION, NUM_CODES
from renderer.song import Pinned

if TYPE_CHECKING:
    from pathlib import Path

_TOKEN = re.compile(r"<\|audio_code_([0-9]{1,9})\|>")


def codes_in(value: Any) -> tuple[tuple[int, ...], str]:
    """The codes in `<|audio_code_7|><|audio_code_51|>…` or a list of numbers, and why there are none."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        (value,) = value
    if isinstance(value, str):
        codes = tuple(int(digits) for digits in _TOKEN.findall(value))
        why = "it holds no `<|audio_code_…|>`"
    elif _all(value, str):
        return (), "they are several takes' codes; a spec pins those of one"
    else:
        codes, why = tuple(value) if _all(value, int) else (), "they are no list of codes"
    if len(codes) > MAX_DURATION * CODE_RATE:
        return (), f"they last {len(codes) / CODE_RATE:g} s, a song lasts {MAX_DURATION} s at most"
    if beyond := next((code for code in codes if not 0 <= code < NUM_CODES), None):
        return (), f"there is no code {beyond}: they run from 0 to {NUM_CODES - 1}"
    return codes, "" if codes else why


def pinned(codes: tuple[int, ...], file: Path, caption: str) -> Pinned:
    """Codes as a spec pins them; no job of ours made them, so they have a key by what they are."""
    return Pinned(codes=codes, cot=None, take=file.name, caption=caption, codes_key="", cot_key="", digest="")


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(one, kind) and not isinstance(one, bool) for one in value)
