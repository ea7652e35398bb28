"""The chain of thought as values: YAML of the think block to and from metas, and what finally counts for a take."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from renderer.artifacts import CotMetas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.models.ace_step.protocol.requests import LatentsRequest
    from renderer.settings import Metas

UNKNOWN_LANGUAGE = "unknown"

_FIELDS = ("bpm", "caption", "duration", "keyscale", "language", "timesignature")
_QUARTERS = "/4"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedMetas:
    """What stands in the DiT's text prompt: the user's word where there is one, else the chain of thought's."""

    caption: str
    language: str
    bpm: int | None
    keyscale: str | None
    timesignature: str | None
    duration: float | None
    """Seconds."""


def think_yaml(metas: CotMetas) -> str:
    """The YAML inside the think block of the codes prompt; empty when no field is set.

    Fields in alphabetical order, folded by PyYAML at its default width, which is what the training texts show.
    """
    import yaml  # noqa: PLC0415 - a hundredth of a second of imports; plans show no prompt

    fields = {name: _plain(name, value) for name, value in asdict(metas).items() if value is not None}
    return str(yaml.dump(fields, allow_unicode=True, sort_keys=True)).strip() if fields else ""


def user_metas_as_cot(metas: Metas) -> CotMetas:
    """The user's metas as the LM takes them: whole seconds, no caption, no language."""
    return CotMetas(
        bpm=metas.bpm,
        duration=None if metas.duration is None else int(metas.duration),
        keyscale=metas.keyscale,
        timesignature=metas.timesignature,
    )


def parse_cot(text: str) -> CotMetas:
    """What a chain of thought says; fields that are missing or unreadable are None.

    A quoted scalar is read as YAML, so that a caption the LM had to quote keeps neither its quotes nor its escapes.
    """
    values = {name: _scalar(name, lines) for name, lines in _fields(text)}
    return CotMetas(
        bpm=_integer(values.get("bpm")),
        caption=values.get("caption") or None,
        duration=_integer(values.get("duration")),
        keyscale=values.get("keyscale") or None,
        language=values.get("language") or None,
        timesignature=values.get("timesignature") or None,
    )


def unquoted(text: str) -> frozenset[str]:
    """The fields of a chain of thought whose quotes `parse_cot` takes off; upstream keeps them as part of the text."""
    return frozenset(name for name, lines in _fields(text) if _scalar(name, lines) != _raw(lines))


def decided_metas(request: LatentsRequest, cot: CotMetas | None) -> DecidedMetas:
    """The metas of a take as the DiT gets them.

    The LM's language counts when the user names none: upstream evidently means to pass it on, but looks it up under
    another key and never finds it.
    """
    said, own = cot or CotMetas(), request.metas
    caption = said.caption if request.use_cot_caption else None
    language = said.language if request.use_cot_language else None
    return DecidedMetas(
        caption=caption or request.caption,
        language=own.vocal_language or language or UNKNOWN_LANGUAGE,
        bpm=own.bpm or said.bpm,
        keyscale=own.keyscale or said.keyscale,
        timesignature=own.timesignature or said.timesignature,
        duration=own.duration or said.duration,
    )


def _plain(name: str, value: int | str) -> int | str:
    """A field as it is dumped: `4/4` is `4`, and digits are a number."""
    text = str(value)
    if name == "timesignature":
        text = text.removesuffix(_QUARTERS)
    return int(text) if text.isdecimal() else text


def _fields(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every known field with its lines, the first one without the key."""
    name: str | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        if name is not None and line[:1] in {" ", "\t"}:
            lines.append(line)
        elif not line.startswith("<") and ":" in line and not line[:1].isspace():
            if name in _FIELDS:
                yield name, lines
            key, _, value = line.partition(":")
            name, lines = key.strip().lower(), [value]
        elif name is not None and not line and _is_open(lines):
            lines.append(line)
    if name in _FIELDS:
        yield name, lines


def _is_open(lines: list[str]) -> bool:
    """Whether a blank line belongs to the field: inside quotes it stands for a line break."""
    return lines[0].strip()[:1] in {"'", '"'}


def _raw(lines: list[str]) -> str:
    """A field's text on one line, as it was written."""
    return " ".join(line.strip() for line in lines).strip()


def _scalar(name: str, lines: list[str]) -> str:
    """A field's text on one line, quotes read as YAML."""
    raw = _raw(lines)
    if raw[:1] not in {"'", '"'}:
        return raw
    import yaml  # noqa: PLC0415 - as above

    try:
        value = yaml.safe_load("\n".join([f"{name}:{lines[0]}", *lines[1:]]))[name]
    except (yaml.YAMLError, TypeError):
        return raw
    return re.sub(r"\s*\n\s*", " ", value).strip() if isinstance(value, str) else raw


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
