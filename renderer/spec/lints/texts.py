"""Lints of every text that reaches a model: what would steer it instead of being read."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.settings import Inference, rows
from renderer.spec.findings import Finding, LyricsFinding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.lints.subject import Subject
    from renderer.spec.schema import InferenceTable
    from renderer.spec.source import KeyPath

# The tokenizers take these for control tokens wherever they stand. Source: the Qwen3 vocabulary with ACE-Step's codes
_TOKEN = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>|</?(?:think|tool_call|tool_response)>")
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7})(?:[ \t][^\n]*)?$", re.MULTILINE)
_TEXTS = tuple(name for name, row in rows(Inference).items() if row.longest is not None)
_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text that reaches a model, and where it is written."""

    path: KeyPath
    text: str
    line: int | None = None
    """Of lyrics in a file of their own, from 0; their place is there."""


def control_tokens(text: Text) -> Iterator[Finding | LyricsFinding]:
    """A model's control token in a text."""
    if "<" in text.text:
        for match in _TOKEN.finditer(text.text):
            yield _finding(text, match, f"`{match[0]}` is a control token", "it would steer the model, not be read")


def control_characters(text: Text) -> Iterator[Finding | LyricsFinding]:
    """A control character in a text."""
    for match in _CHARACTER.finditer(text.text):
        message = f"a control character, U+{ord(match[0]):04X}"
        yield _finding(text, match, message, "the model knows no such character")


def turning_characters(text: Text) -> Iterator[Finding | LyricsFinding]:
    """A character that turns the writing round, left by copying from a page."""
    for match in () if text.text.isascii() else _TURNING.finditer(text.text):
        name = unicodedata.name(match[0]).lower()
        message = f"a character that turns the writing round, U+{ord(match[0]):04X} {name}"
        yield _finding(text, match, message, "what is read here isn't what is sent")


def conflict_marks(text: Text) -> Iterator[Finding | LyricsFinding]:
    """Git's marks of a merge that was not decided."""
    if any(mark in text.text for mark in ("<<<<<<<", ">>>>>>>", "|||||||")):
        for match in _CONFLICT.finditer(text.text):
            yield _finding(
                text,
                match,
                f"`{match[0][:40].rstrip()}` is git's mark of a conflict",
                "a merge left both versions here",
                "keep one version, and take git's marks out",
            )


def texts_of_song(subject: Subject) -> Iterator[Text]:
    """Every text of a spec, where it writes it."""
    spec = subject.draft.spec
    yield Text(path=("caption",), text=spec.caption)
    if isinstance(spec.lyrics, str):
        yield Text(path=("lyrics",), text=spec.lyrics)
    elif spec.lyrics is not None:
        for position, section in enumerate(spec.lyrics):
            yield Text(path=("lyrics", position, "section"), text=section.section)
            yield Text(path=("lyrics", position, "annotation"), text=section.annotation or "")
            yield Text(path=("lyrics", position, "text"), text=section.text)
    yield from texts_of_settings(("inference",), spec.inference)
    for name, table in spec.variants.items():
        yield from texts_of_settings(("variants", name), table)
    for name, edit in spec.edits.items():
        for key in ("flow_edit_source_caption", "flow_edit_source_lyrics"):
            yield Text(path=("edits", name, key), text=getattr(edit, key) or "")
    if spec.lyrics_file is not None:
        for line, text in enumerate(subject.lines):
            yield Text(path=("lyrics_file",), text=text, line=line)


def texts_of_settings(table: KeyPath, settings: InferenceTable) -> Iterator[Text]:
    """The texts among settings, in a spec, a variant or `renderer.toml`."""
    for name in _TEXTS:
        yield Text(path=(*table, name), text=getattr(settings, name) or "")


def _finding(
    text: Text, match: re.Match[str], message: str, why: str, advice: str = "take it out"
) -> Finding | LyricsFinding:
    if text.line is not None:
        return LyricsFinding(line=text.line, text=match[0], message=message, why=why, help=advice)
    part = (match.start(), len(match[0]))
    return Finding(path=text.path, part=part, message=message, why=why, help=advice)
