"""One song's table -> its keys and values in a row, taken out of what ACE-Step's interfaces wrap them in.

The table's own come first, then those of the tables inside it: where two say the same thing the first counts, as in
ACE-Step's own API.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renderer.errors import RendererError
from renderer.spec.imports.documents import CHAT, WRAPPERS, JsonTable, json_value, snake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_DEPTH = 5  # of tables around a value
MIN_LINES, MAX_LINE = 4, 60  # lines, and their mean length in characters, that make a message lyrics
_SECTION = re.compile(r"\[(?:pre-chorus|chorus|verse|bridge|intro|outro|hook|refrain|inst)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A key that was not carried over, and why."""

    key: str
    """As it is written, with the tables around it: `audio_config.keyScale`."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A key of a foreign table with its value."""

    key: str
    """As in `LeftOut`."""
    name: str
    """The key alone, in snake case: `key_scale`."""
    value: Any


def fields_of(entry: Mapping[str, object], file: Path, *, above: str = "", depth: int = 0) -> Iterator[Field | LeftOut]:
    """The fields of a song's table and of the tables that only wrap some, and what can't be read of them."""
    inside: list[Field] = []
    for key in entry.twice if isinstance(entry, JsonTable) else ():
        yield LeftOut(key=above + key, why="it is written more than once; the last one counts, as for ACE-Step")
    for key, value in entry.items():
        field = Field(key=above + key, name=snake(key), value=value)
        if field.name in WRAPPERS or (field.name == CHAT and isinstance(value, list)):
            inside.append(field)
        else:
            yield field
    for field in inside:
        yield from _said(field, entry.get("lyrics")) if field.name == CHAT else _unwrapped(field, file, depth)


def _unwrapped(field: Field, file: Path, depth: int) -> Iterator[Field | LeftOut]:
    value = _read(field.value, file) if isinstance(field.value, str) else field.value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        if len(value) > 1:
            yield LeftOut(key=field.key, why=f"it holds {len(value)} tables, and the first counts")
        value = value[0]
    if isinstance(value, dict) and depth < MAX_DEPTH:
        yield from fields_of(value, file, above=f"{field.key}.", depth=depth + 1)
    elif isinstance(value, dict):
        yield LeftOut(key=field.key, why=f"it is nested more than {MAX_DEPTH} deep")
    elif value not in (None, "", []):
        yield LeftOut(key=field.key, why="a table is expected there")


def _read(text: str, file: Path) -> Any:
    """A table that was put into a text as JSON, as web forms do; the text itself when it is none."""
    try:
        return json_value(text, file) if text.strip() else None
    except RendererError:
        return text


def _said(field: Field, lyrics: Any) -> Iterator[Field | LeftOut]:
    """What the last user message of a chat asks for: the words between `<prompt>` and `<lyrics>`, or all of it.

    Without them it is the lyrics when it looks like some and there are no `lyrics` beside it, else the caption.
    """
    asked = [one for one in field.value if isinstance(one, dict) and one.get("role") == "user"]
    content = asked[-1].get("content") if asked else None
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    text = "\n".join(part.strip() for part in texts if isinstance(part, str))
    if len(texts) > sum(isinstance(part, str) for part in texts) and content is not None:
        yield LeftOut(key=field.key, why="what is no text in it is left out: songs are made from text alone here")
    tagged, rest = _tagged(text)
    if tagged:
        tagged["prompt"] = tagged.get("prompt") or rest
        if rest and tagged["prompt"] != rest:
            yield LeftOut(key=field.key, why="what stands outside its `<prompt>` and `<lyrics>` counts for nothing")
    elif not lyrics and _reads_as_lyrics(text):
        tagged = {"lyrics": text}
    elif text:
        tagged = {"prompt": text}
    for name, words in tagged.items():
        yield Field(key=field.key, name=name, value=words)


def _reads_as_lyrics(text: str) -> bool:
    """Whether ACE-Step's chat API takes a message for lyrics: it names a section, or has four short lines and more.

    Source: ace-step/ACE-Step-1.5, acestep/openrouter_adapter.py
    """
    lines = [len(line.strip()) for line in text.split("\n") if line.strip()]
    return bool(_SECTION.search(text)) or (len(lines) >= MIN_LINES and sum(lines) < MAX_LINE * len(lines))


def _tagged(text: str) -> tuple[dict[str, str], str]:
    """What stands in the first `<prompt>…</prompt>` and `<lyrics>…</lyrics>`, and the rest of the text."""
    found, rest = dict[str, str](), text
    for name in ("prompt", "lyrics"):
        start = re.search(f"<{name}>", text, re.IGNORECASE)
        end = re.compile(f"</{name}>", re.IGNORECASE).search(text, start.end()) if start else None
        if start and end:
            found[name] = text[start.end() : end.start()].strip()
            rest = rest.replace(text[start.start() : end.end()], "")
    return found, rest.strip()
