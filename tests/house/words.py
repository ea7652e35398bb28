"""The retired words, and where the program still makes a name of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.house.source import bindings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.house.source import Binding, Module

FILE = Path(__file__).with_name("retired_words.txt")
_ROLES = {
    "everywhere": {"module", "class", "function", "parameter", "field", "local"},
    "signatures": {"module", "class", "function", "parameter", "field"},
    "modules": {"module"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredWord:
    """A row of `retired_words.txt`."""

    word: str
    instead: str
    roles: frozenset[str]
    below: str
    """Where it is refused: elsewhere it is what users have to write or to read."""


def retired_words() -> dict[str, RetiredWord]:
    """Word -> its row."""
    lines = (line for line in FILE.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    rows = (re.split(r"\s{2,}", line) for line in lines)
    words = (_word(*row) for row in rows)
    return {word.word: word for word in words}


def _word(word: str, instead: str, scope: str, below: str = "renderer/") -> RetiredWord:
    return RetiredWord(word=word, instead=instead, roles=frozenset(_ROLES[scope]), below=below)


def retired_bindings(program: Sequence[Module]) -> Iterator[tuple[Binding, RetiredWord]]:
    """Names made of a retired word, where it is refused."""
    retired = retired_words()
    for module in program:
        for binding in bindings(module):
            row = retired.get(binding.name)
            if row is not None and binding.role in row.roles and binding.path.startswith(row.below):
                yield binding, row


def classes_named_twice(program: Sequence[Module]) -> dict[str, list[Binding]]:
    """Public class name -> where it is made, for those made more than once."""
    made: dict[str, list[Binding]] = {}
    for module in program:
        for binding in bindings(module):
            if binding.role == "class" and not binding.private:
                made.setdefault(binding.name, []).append(binding)
    return {name: where for name, where in sorted(made.items()) if len(where) > 1}
