"""Pieces of Markdown that the pages are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WRITTEN = "<!-- Written by `make reference`: change the program, not this page. -->\n\n"


def code(text: object) -> str:
    """As code, whatever backticks are in it."""
    fence = "``" if "`" in str(text) else "`"
    return f"{fence}{text}{fence}"


def codes(values: Iterable[object]) -> str:
    """`a`, `b`, `c`."""
    return ", ".join(code(value) for value in values)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is no border."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |\n" for row in lines)
