"""A value that a key can't have -> what to write instead, and the TOML for it where only one thing can be meant."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renderer.spec.imports.values import number, seconds, tempo, truth
from renderer.spec.key_names import keyscale_meant, note_meant
from renderer.spec.languages import language_meant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OPEN = frozenset({"", "auto", "-1", "0", "none", "n/a", "null", "random", "unknown"})
_RANGE = re.compile(r"\s*(\d{2,3})\s*(?:-|\u2013|to|bis)\s*(\d{2,3})\s*(?:bpm)?\s*", re.IGNORECASE)
_SPAN = re.compile(r"\s*(\d{1,6})\s*(?:\.\.|-|\u2013)\s*(\d{1,6})\s*")
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_NEAREST_BEATS: Mapping[str, str] = {
    "12/8": "6", "9/8": "3", "6/4": "6", "3/8": "3", "2/2": "2", "c": "4", "\u00a2": "2", "8/8": "4", "4:4": "4",
    "3:4": "3", "6:8": "6",
}  # fmt: skip
_MAX_SPAN = 200  # seeds that are written out


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What to do about a value."""

    advice: str = ""
    toml: str | None = None
    """To be written in its place, where nothing else can be meant."""


NOTHING = Hint()


def hint(key: str, kind: str, written: Any) -> Hint:
    """What to write for `key` in place of `written`, which pydantic refused as `kind`."""
    own = _BY_KEY.get(key)
    if own is not None and (found := own(written)) is not NOTHING:
        return found
    return _by_kind(kind, written)


def _by_kind(kind: str, written: Any) -> Hint:
    if kind in {"int_type", "float_type"} and isinstance(written, str):
        value = number(written)
        whole = isinstance(value, int) or kind == "float_type"
        plain = written.strip() if _PLAIN.fullmatch(written.strip()) else json.dumps(value)
        return _write(plain, unquoted=True) if isinstance(value, int | float) and whole else NOTHING
    if kind == "bool_type" and isinstance(truth(written), bool) and isinstance(written, str | int):
        return _write(json.dumps(truth(written)), unquoted=isinstance(written, str))
    if kind == "int_type" and isinstance(written, float) and written.is_integer():
        return _write(str(int(written)))
    if kind == "list_type" and isinstance(written, int) and not isinstance(written, bool):
        return _write(f"[{written}]")
    return NOTHING


def _write(toml: str, *, unquoted: bool = False) -> Hint:
    return Hint(advice=f"write {'it without quotes: ' if unquoted else ''}{toml}", toml=toml)


def _is_open(written: Any) -> bool:
    return not isinstance(written, bool) and str(written).strip().lower().removesuffix(".0") in _OPEN


def _duration(written: Any) -> Hint:
    if _is_open(written):
        return Hint(advice="leave it out, and the LM decides how long the song is")
    length = seconds(written)
    if not isinstance(written, str) or not isinstance(length, int | float):
        return NOTHING
    told = written.strip().replace(".", "", 1).isdecimal()
    return (
        _write(f"{length:g}", unquoted=True)
        if told
        else Hint(advice=f"write it in seconds: {length:g}", toml=f"{length:g}")
    )


def _bpm(written: Any) -> Hint:
    if _is_open(written):
        return Hint(advice="leave it out, and the LM decides the tempo")
    if isinstance(written, float) and not written.is_integer() and abs(written) < 1e6:  # noqa: PLR2004 - far beyond any tempo
        return Hint(advice=f"write {int(written)} or {int(written) + 1}")
    if isinstance(written, str) and (span := _RANGE.fullmatch(written)):
        return Hint(advice=f"write one tempo, like {(int(span[1]) + int(span[2])) // 2}")
    value = tempo(written)
    if isinstance(written, str) and isinstance(value, int):
        plain = written.strip().isdecimal()
        return _write(str(value), unquoted=True) if plain else Hint(advice=f"write {value}", toml=str(value))
    return (
        Hint(advice=f"write {int(value)} or {int(value) + 1}")
        if isinstance(value, float) and isinstance(written, str)
        else NOTHING
    )


def _keyscale(written: Any) -> Hint:
    if not isinstance(written, str):
        return NOTHING
    if _is_open(written):
        return Hint(advice="leave it out, and the LM decides the key")
    if meant := keyscale_meant(written):
        return Hint(advice=f"did you mean `{meant}`?", toml=f'"{meant}"')
    if note := note_meant(written):
        return Hint(advice=f"write `{note} major` or `{note} minor`")
    return Hint(advice="write it like `A minor` or `F# major`")


def _timesignature(written: Any) -> Hint:
    if _is_open(written):
        return Hint(advice="leave it out, and the LM decides the time signature")
    text = str(written).strip().replace(" ", "")
    near = _NEAREST_BEATS.get(text.lower())
    return Hint(advice=f"`{near}` is nearest") if near else NOTHING


def _language(written: Any) -> Hint:
    meant = language_meant(written) if isinstance(written, str) else None
    if meant:
        return Hint(advice=f"did you mean `{meant}`?", toml=f'"{meant}"')
    return Hint(advice="`unknown` leaves it open")


def _seeds(written: Any) -> Hint:
    if written == -1:
        return Hint(advice="leave it out for one take, or name seeds; `render --seeds 1..4` takes others for once")
    if isinstance(written, str) and (span := _SPAN.fullmatch(written)) and 0 <= int(span[2]) - int(span[1]) < _MAX_SPAN:
        return _write(json.dumps(list(range(int(span[1]), int(span[2]) + 1))))
    if (
        isinstance(written, str)
        and (parts := re.split(r"[,\s]+", written.strip(" []")))
        and all(map(str.isdecimal, parts))
    ):
        return _write(json.dumps([int(part) for part in parts]))
    return NOTHING


_BY_KEY: Mapping[str, Callable[[Any], Hint]] = {
    "duration": _duration,
    "bpm": _bpm,
    "keyscale": _keyscale,
    "timesignature": _timesignature,
    "vocal_language": _language,
    "seeds": _seeds,
    "lm_seed": lambda written: Hint(advice="leave it out for 0") if written == -1 else NOTHING,
}
