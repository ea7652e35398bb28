"""ACE-Step's own files -> specs: its examples, saved generation parameters, requests to its API, its CLI's TOML.

Takes a file's text, gives a spec's values and a list of what could not be carried over. What a file leaves out, or says
in a way that leaves it open, a spec leaves out too; nothing else is dropped without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli_w

from renderer.errors import RendererError, UsageError
from renderer.spec.imports import lyrics
from renderer.spec.imports.carry import carry
from renderer.spec.imports.codes import pinned
from renderer.spec.imports.documents import read_document
from renderer.spec.imports.draft import SpecDraft
from renderer.spec.imports.entry import LeftOut, fields_of
from renderer.spec.imports.settle import settle
from renderer.spec.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.song import Pinned

MAX_BYTES = 4 * 1024 * 1024
_FIRST = ("title", "model", "lm", "vae", "codes", "caption", "instrumental", "lyrics", "seeds", "max_duration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A spec made from a foreign file."""

    values: Mapping[str, object]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What else there is to say of it."""
    pinned: Pinned | None = None
    """The codes it follows, for a file of their own that `codes` names."""

    def text(self, schema: str | None) -> str:
        """The spec as TOML, lyrics over several lines; `schema` is the path to the schema, for editors."""
        head = f"#:schema {schema}\n" if schema else ""
        if self.values.get("lyrics") != "":
            return head + _toml(self.values)
        keys = list(self.values)
        before, after = keys[: keys.index("lyrics")], keys[keys.index("lyrics") :]
        parts = [_toml({key: self.values[key] for key in part}) for part in (before, after)]
        return f"{head}{parts[0]}{lyrics.COMMENT}\n{parts[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What a foreign file gave."""

    songs: tuple[Imported | RendererError, ...]
    """In the file's order; the reason in place of one that could not be had."""
    is_list: bool
    left_out: tuple[LeftOut, ...]
    """What stands beside the songs."""


def read_foreign(text: str, file: Path) -> Foreign:
    """The specs that the text of `file` holds: one, or one for each entry of a list.

    Raises: SpecError when it is neither JSON nor TOML, UsageError when it holds nothing.
    """
    document = read_document(text, file)
    return Foreign(
        songs=tuple(_song(entry, file) for entry in document.entries),
        is_list=document.is_list,
        left_out=tuple(LeftOut(key=key, why="it stands beside the songs, in none") for key in document.beside),
    )


def _song(entry: Any, file: Path) -> Imported | RendererError:
    try:
        return _imported(entry, file)
    except RendererError as error:
        return error


def _imported(entry: Any, file: Path) -> Imported:
    """Raises: RendererError when no song can be made from it."""
    if isinstance(entry, RendererError):
        raise entry
    if not isinstance(entry, dict):
        raise UsageError("it holds no generation parameters", why=f"a table is expected, this is {lyrics.kind(entry)}")
    draft = SpecDraft()
    for found in fields_of(entry, file):
        if isinstance(found, LeftOut):
            draft.left_out.append(found)
        elif _is_broken(found.value):
            draft.leave(found, "it holds half of a character, as `\\ud83c` alone is")
        else:
            carry(found, draft, file)
    settle(draft)
    return Imported(
        values=_ordered(draft.values),
        left_out=tuple(draft.left_out),
        notes=tuple(draft.notes),
        pinned=pinned(draft.codes, file, draft.values["caption"]) if draft.codes else None,
    )


def _is_broken(value: Any) -> bool:
    """Whether a text can't be written: JSON can escape one half of a pair of surrogates."""
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text) for text in texts)


def _ordered(values: Mapping[str, object]) -> dict[str, object]:
    """As a reader wants them: words first, tables last."""
    return {
        **{key: values[key] for key in _FIRST if key in values},
        **{key: values[key] for key in TABLES if values.get(key)},
    }


def _toml(values: Mapping[str, object]) -> str:
    """TOML with texts over several lines, and lists of numbers on one."""
    parts = [_line(key, value) for key, value in values.items() if not isinstance(value, dict)]
    for key, table in values.items():
        if isinstance(table, dict):
            nested = {name: inner for name, inner in table.items() if isinstance(inner, dict)}
            lines = "".join(_line(*item) for item in table.items() if item[0] not in nested)
            parts += ["\n" * bool(parts) + f"[{key}]\n{lines}"] if lines or not nested else []
            parts += [f"\n{tomli_w.dumps({key: nested}, multiline_strings=True)}"] if nested else []
    return "".join(parts)


def _line(key: str, value: Any) -> str:
    if isinstance(value, list) and all(type(one) in {int, float} for one in value):
        return f"{key} = [{', '.join(map(str, value))}]\n"
    return tomli_w.dumps({key: value}, multiline_strings=True)
