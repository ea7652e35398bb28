"""What people and programs write for a value -> the value in the type that a spec's key takes.

What can't be brought there comes back as it was, for the schema to say what is wrong with it.
"""

from __future__ import annotations

import re
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from renderer.spec.key_names import keyscale_meant
from renderer.spec.languages import TIMESIGNATURES, language_meant

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:e[+-]?[0-9]{1,3})?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-5][0-9](?:\.[0-9]{1,6})?)")
_UNITS = re.compile(
    r"(?:([0-9]{1,4}(?:\.[0-9]{1,6})?) ?(?:m|min|mins|minutes?|'))?[ ,]*"
    r"(?:([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(?:s|secs?|seconds?|\"|''))?",
    re.IGNORECASE,
)
_TEMPO = re.compile(r"(.*?) ?bpm", re.IGNORECASE)
_YES = frozenset({"true", "1", "yes", "y", "on"})
_NO = frozenset({"false", "0", "no", "n", "off"})


def number(value: Any) -> Any:
    """`"90.0"` as 90: a whole number wherever it is one."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def truth(value: Any) -> Any:
    """`"True"`, `"yes"`, `1` as true."""
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    return word in _YES if word in _YES | _NO else value


def seconds(value: Any) -> Any:
    """`"2:30"`, `"150s"`, `"2 min 30 s"` as 150."""
    if not isinstance(value, str) or isinstance(number(value), int | float):
        return number(value)
    text = value.strip()
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = clock.groups()
        return number(int(hours or 0) * 3600 + int(minutes) * 60 + float(rest))
    units = _UNITS.fullmatch(text)
    if units and any(units.groups()):
        return number(float(units[1] or 0) * 60 + float(units[2] or 0))
    return value


def tempo(value: Any) -> Any:
    """`"120 BPM"` as 120."""
    match = _TEMPO.fullmatch(value.strip()) if isinstance(value, str) else None
    return number(match[1] if match else value)


def keyscale(value: Any) -> Any:
    """`"C# Minor"` as `C# minor`, `"H-Moll"` as `B minor`."""
    return (keyscale_meant(value) or value.strip()) if isinstance(value, str) else value


def timesignature(value: Any) -> Any:
    """`4`, `"4.0"` and `"4/4"` as `"4"`."""
    beats = number(value)
    if isinstance(beats, bool) or not isinstance(beats, int | str):
        return value
    return TIMESIGNATURES.get(str(beats).strip(), str(beats))


def language(value: Any) -> Any:
    """`"EN"`, `"Spanish"`, `["zh"]` as a language's code."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        (value,) = value
    return (language_meant(value) or value.strip()) if isinstance(value, str) else value


def times(value: Any) -> Any:
    """`"[0.97, 0.5, 0]"` as a list, without the 0 at the end, which is no step."""
    listed = re.split(r"[,\s]+", value.strip("[]() \t")) if isinstance(value, str) else value
    if not isinstance(listed, list):
        return value
    found = [number(one) for one in listed]
    if not all(isinstance(one, int | float) for one in found):
        return value
    while found and found[-1] == 0:
        found.pop()
    return found


def in_type(field: FieldInfo, value: Any) -> Any:
    """The value in the type of a key of a spec: numbers and yes or no out of their quotes, choices in lower case."""
    kind = kind_of(field.annotation)
    if kind is bool:
        return truth(value)
    if kind in {int, float}:
        return value if isinstance(value, bool) else number(value)
    if kind is Literal and isinstance(value, str):
        return value.strip().lower()
    return value


def kind_of(annotation: Any) -> Any:
    """What a key takes: `bool`, `int`, `float`, `str`, `list` or `Literal`."""
    if annotation in {bool, int, float, str}:
        return annotation
    if get_origin(annotation) in {list, Literal}:
        return get_origin(annotation)
    kinds = (kind_of(part) for part in get_args(annotation) if part is not NoneType)
    return next((kind for kind in kinds if kind is not None), None)
