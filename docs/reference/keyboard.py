"""The keys of the report's page, from its own help, and those of a watch, from its table."""

from __future__ import annotations

import re
from pathlib import Path

import renderer
from docs.reference.markdown import WRITTEN, table
from renderer.watch.on_commands import KEYS

_HELP = Path(renderer.__file__).parent / "report" / "templates" / "dock.html.jinja"
_HEAD = """\
# Keys

## On the report's page

`?` shows them there. What the page measures and flags is told [here](report.md).

"""
_WATCH = """
## In `renderer watch`

On a terminal, without Enter:

"""


def keyboard_page() -> str:
    """Two tables."""
    rows = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", _HELP.read_text("utf-8"))
    page = table(["key", "what it does"], ([_as_code(keys), _as_code(text)] for keys, text in rows))
    watch = table(["key", "what it does"], ([f"`{key}`", row.label] for key, row in KEYS.items()))
    return WRITTEN + _HEAD + page + _WATCH + watch


def _as_code(text: str) -> str:
    return re.sub(r"<kbd>(.*?)</kbd>", r"`\1`", text)
