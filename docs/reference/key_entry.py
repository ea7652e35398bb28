"""One key of a spec -> its entry: what it is, what it takes, what holds without it, what a change makes anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docs.reference.markdown import code, codes
from renderer.settings import ABOVE_ZERO, SETTINGS, EditSettings, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from renderer.settings import Setting

_STAGES = ("cot", "codes", "latents", "waveform")
_KINDS = {"string": "text", "boolean": "`true` or `false`", "integer": "a whole number", "number": "a number"}
_ELSEWHERE: Mapping[str, str] = {"allow": "a list of [codes of lints](lints.md)"}
_ROWS: Mapping[str, Setting] = {**rows(EditSettings), **SETTINGS}


def entry(name: str, key: Mapping[str, Any], *, prefix: str = "") -> str:
    """A heading and what is known; `prefix` tells keys of one name in two tables apart."""
    lines = "".join(f"- {line}\n" for line in _lines(name, key, None if prefix else _ROWS.get(name)))
    return f"\n### {prefix}{name}\n\n{key.get('description', '')}\n\n{lines}"


def _lines(name: str, key: Mapping[str, Any], row: Setting | None) -> Iterator[str]:
    yield f"takes {_ELSEWHERE.get(name) or takes(key)}"
    if key.get("default") is not None:
        yield f"left out: {code(_toml(key['default']))}"
    elif row is not None and row.fact:
        yield "left out: what suits the checkpoint"
    if row is not None:
        yield f"a change makes anew: {' → '.join(_STAGES[_STAGES.index(row.stages[0]) :])}"
    if row is not None and row.aliases:
        yield f"in files and interfaces of ACE-Step's: {codes(row.aliases)}"


def takes(key: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "enum" in key:
        return codes(map(_toml, key["enum"]))
    forms = key.get("anyOf") or key.get("oneOf")
    if forms:
        return " or ".join(dict.fromkeys(takes(form) for form in forms))
    if key["type"] == "array":
        most = f", {key['maxItems']} at most" if "maxItems" in key else ""
        return f"a list: {takes(key['items'])}{most}"
    if key["type"] == "object":
        return "a table"
    longest = f", {key['maxLength']} characters at most" if "maxLength" in key else ""
    return _KINDS[key["type"]] + _range(key) + longest


def _range(key: Mapping[str, Any]) -> str:
    low, high = key.get("minimum"), key.get("maximum")
    if low is None or high is None:
        return ""
    return f" above 0, {high} at most" if low == ABOVE_ZERO else f" from {low} to {high}"


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return str(value)
