"""Lints of every text that reaches a model: what would steer it instead of being read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from renderer.spec.findings import Finding, LyricsFinding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.spec.lints.subject import Subject
    from renderer.spec.source import KeyPath

# The tokenizers take these for control tokens wherever they stand. Source: the Qwen3 vocabulary with ACE-Step's codes
_TOKEN = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>|</?(?:think|tool_call|tool_response)>")
_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def control_tokens(subject: Subject) -> Iterator[Finding | LyricsFinding]:
    """A model's control token in a text."""
    for found, match in _matches(subject, _TOKEN, "<"):
        yield found(f"`{match}` is a control token", "it would steer the model, not be read")


def control_characters(subject: Subject) -> Iterator[Finding | LyricsFinding]:
    """A control character in a text."""
    for found, match in _matches(subject, _CHARACTER, ""):
        yield found(f"a control character, U+{ord(match):04X}", "the model knows no such character")


class _Found:
    """A match on its way to a finding: its place is known, the words come later."""

    def __init__(self, path: KeyPath, match: re.Match[str], line: int | None = None) -> None:
        self._path, self._match, self._line = path, match, line

    def __call__(self, message: str, why: str) -> Finding | LyricsFinding:
        if self._line is not None:
            return LyricsFinding(line=self._line, text=self._match[0], message=message, why=why, help="take it out")
        part = (self._match.start(), len(self._match[0]))
        return Finding(path=self._path, part=part, message=message, why=why, help="take it out")


def _matches(subject: Subject, pattern: re.Pattern[str], needs: str) -> Iterator[tuple[_Found, str]]:
    for path, text in _texts(subject):
        if needs in text:
            for match in pattern.finditer(text):
                yield _Found(path, match), match[0]
    if subject.draft.spec.lyrics_file is not None and needs in subject.lyrics:
        for line, text in enumerate(subject.lines):
            for match in pattern.finditer(text):
                yield _Found(("lyrics_file",), match, line), match[0]


def _texts(subject: Subject) -> Iterator[tuple[KeyPath, str]]:
    spec = subject.draft.spec
    yield ("caption",), spec.caption
    if isinstance(spec.lyrics, str):
        yield ("lyrics",), spec.lyrics
    elif spec.lyrics is not None:
        for position, section in enumerate(spec.lyrics):
            yield ("lyrics", position, "section"), section.section
            yield ("lyrics", position, "annotation"), section.annotation or ""
            yield ("lyrics", position, "text"), section.text
    yield ("inference", "lm_negative_prompt"), spec.inference.lm_negative_prompt or ""
    for name, table in spec.variants.items():
        yield ("variants", name, "lm_negative_prompt"), table.lm_negative_prompt or ""
