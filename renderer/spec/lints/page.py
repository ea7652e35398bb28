"""The table of lints -> a page to read: what each looks for, a spec with the fault and one without."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from renderer.spec.diagnostics import Level
from renderer.spec.lints.table import LINTS

if TYPE_CHECKING:
    from renderer.spec.lints.table import Lint

_MANY_LINES = 14  # of an example; longer ones repeat themselves
_HEAD = """\
# Lints

What `renderer check` finds in specs that are valid and could still disappoint. Errors refuse to render; warnings spoil
the result; notes tell of what has no effect or is unusual. `allow = ["code"]` in a spec or in `renderer.toml` silences
a warning or a note, `renderer check --strict` takes warnings for errors. This page is written by `renderer schema`.

"""


def page() -> str:
    """The reference page, in Markdown: an index, then an entry a lint."""
    index = "| code | level | finds |\n| --- | --- | --- |\n" + "".join(
        f"| [`{lint.code}`](#{lint.code}) | {lint.level} | {_summary(lint)} |\n" for lint in _sorted()
    )
    return _HEAD + index + "\n" + "\n".join(entry(lint) for lint in _sorted())


def entry(lint: Lint) -> str:
    """One lint, in Markdown."""
    return (
        f"## {lint.code}\n\n{lint.level}: {_lower(_summary(lint))}.\n\n"
        f"Flagged:\n```toml\n{_shortened(lint.bad)}```\nFine:\n```toml\n{_shortened(lint.good)}```\n"
    )


def _sorted() -> list[Lint]:
    return sorted(LINTS, key=lambda lint: (list(Level).index(lint.level), lint.code))


def _summary(lint: Lint) -> str:
    return inspect.cleandoc(lint.check.__doc__ or "").split("\n")[0].rstrip(".")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _shortened(example: str) -> str:
    """The example with what repeats itself said once, and what nobody sees made visible."""
    lines = example.rstrip("\n").split("\n")
    repeats = max((lines.count(line) for line in lines), default=0)
    if len(lines) > _MANY_LINES:
        often = next(line for line in lines if lines.count(line) == repeats)
        first = lines.index(often)
        lines = [*lines[: first + 1], f"… {repeats} times", *lines[first + repeats :]]
    return "".join(_visible(line) + "\n" for line in lines)


def _visible(line: str) -> str:
    line = re.sub(r"(.{12,60}?)\1{4,}", lambda match: f"{match[1]}… {len(match[0]) // len(match[1])} times", line)
    return line.replace("\u200b", "\\u200B")
