"""The program speaks the field's words, one word a thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.source import Module, modules
from tests.house.words import classes_named_twice, retired_bindings, retired_words

ROOT = Path(__file__).parents[2]
LEFT = {"asked"}
"""Words that stay: the page has a column of this name."""
LEFT_TWICE = {}


@pytest.fixture(scope="module")
def program() -> list[Module]:
    return modules(ROOT)


def test_no_retired_word_is_a_name(program: list[Module]) -> None:
    made = [f"{binding}: say {row.instead}" for binding, row in retired_bindings(program) if row.word not in LEFT]

    assert not made, "\n".join(made)


def test_no_public_class_name_is_made_twice(program: list[Module]) -> None:
    twice = {name: made for name, made in classes_named_twice(program).items() if name not in LEFT_TWICE}

    assert not twice, "\n".join(f"{made}" for name in twice.values() for made in name)


def test_retired_words_are_found_wherever_a_name_is_made(tmp_path: Path) -> None:
    package = tmp_path / "renderer" / "hollow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "class Reach:\n"
        "    told: int\n"
        "    def _tell(self, asked, *, noted=0):\n"
        "        told = asked\n"
        "        self.room: int = told\n",
        "utf-8",
    )

    found = [str(binding).split(": ")[1] for binding, _ in retired_bindings(modules(tmp_path))]

    assert found == [
        "module `hollow`",
        "class `Reach`",
        "field `told`",
        "function `tell`",
        "parameter `asked`",
        "parameter `noted`",
        "field `room`",
    ]


def test_every_retired_word_names_the_field_s() -> None:
    words = retired_words()

    assert words
    assert all(row.instead for row in words.values())
    assert not [word for word in words if any(word in row.instead.split() for row in words.values())]
