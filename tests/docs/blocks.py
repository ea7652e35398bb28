"""README and the pages of docs/ -> their fenced blocks, and the pages' order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "pages"
TUTORIAL = PAGES / "tutorial.md"
README = ROOT / "README.md"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n\n?)?^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_PROMPT = re.compile(r"^(?:[\w@-]*\$) (?P<command>.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """Where it begins, from 1."""
    language: str
    text: str
    mark: str
    """Of the comment right above it: `not run: a Mac`, `ends with 2`, `not a spec`, `has an error`.

    Empty where there is none.
    """

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether its commands are run; else only their words are compared with what there is."""
        return self.language == "console" and not self.mark.startswith("not run: ")

    @property
    def commands(self) -> tuple[tuple[str, str], ...]:
        """Of a console: each command with the output that is shown below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            prompt = _PROMPT.match(line)
            if prompt:
                found.append((prompt["command"], []))
            elif found and not found[-1][1] and found[-1][0].endswith("\\"):
                found[-1] = (found[-1][0] + "\n" + line, [])
            elif found:
                found[-1][1].append(line)
        return tuple((command, "\n".join(shown).strip("\n")) for command, shown in found)


def pages() -> tuple[Path, ...]:
    """All with blocks that a reader may follow, the tutorial first: what comes after goes on with its project."""
    found = sorted(PAGES.rglob("*.md"))
    return (TUTORIAL, *(page for page in found if page != TUTORIAL), README)


def blocks(page: Path) -> Iterator[Block]:
    """In the order in which they stand."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        indent = found["indent"]
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            text="".join(line.removeprefix(indent) for line in found["text"].splitlines(keepends=True)),
            mark=found["mark"] or "",
        )
