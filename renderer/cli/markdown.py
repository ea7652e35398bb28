"""A plan as GitHub's and GitLab's Markdown, in which a user's text is shown as it is and makes nothing of its own."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_CHARACTERS = 30_000
"""Of a table, and of a block: GitHub takes 65,536 for a comment."""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Its lines, every cell a code span; how many rows there was no room for, below it."""
    yield _row(headings)
    yield _row(["---"] * len(headings))
    left, num_left_out = MOST_CHARACTERS, 0
    for cells in rows:
        line = _row([_code(cell).replace("|", r"\|") for cell in cells])
        left -= len(line) + 1
        if left >= 0:
            yield line
        else:
            num_left_out += 1
    if num_left_out:
        yield ""
        yield f"and {num_left_out} more"


def verbatim(lines: Sequence[str]) -> Iterator[str]:
    """A block that shows the lines as a terminal would, as far as there is room."""
    plain = [printable(part) for line in lines for part in line.split("\n")]
    lengths = accumulate(len(line) + 1 for line in plain)
    shown = [line for line, length in zip(plain, lengths, strict=True) if length <= MOST_CHARACTERS]
    more = (f"and {len(plain) - len(shown)} lines more",) if len(shown) < len(plain) else ()
    fence = _fence("\n".join(shown), least=3)
    return iter((fence, *shown, *more, fence))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """A code span: of what stands in one nobody is mentioned, nothing is linked, loaded or left out."""
    plain = printable(text.replace("\n", " "))
    fence = _fence(plain, least=1)
    # A blank at either end belongs to the marks, and is taken away with them.
    return f"{fence} {plain} {fence}" if plain.strip(" ") else ""


def _fence(text: str, *, least: int) -> str:
    """More backticks than ever stand in a row in it."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))
