"""`changed_takes.py JSON TEXT NAMES`: what `renderer status --since` told, as Markdown for a job's summary.

Into NAMES go the takes that are asked for something else, a name a line, as renderer's commands take them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any


def changed(document: dict[str, Any]) -> list[str]:
    """The takes' names; `[` would begin a pattern."""
    takes = [take for song in document["songs"] for take in song["takes"]]
    return [take["take"].replace("[", "[[]") for take in takes if take["state"] not in ("same", "removed")]


MOST_CHARACTERS = 100_000  # GitHub takes a megabyte for a step's summary


def block(text: str) -> str:
    """The text as it is, whatever is in it; its beginning, where it is too long."""
    if len(text) > MOST_CHARACTERS:
        text = text[:MOST_CHARACTERS].rpartition("\n")[0] + "\n…"
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text.rstrip()}\n{fence}"


if __name__ == "__main__":
    document, text, names = map(Path, sys.argv[1:])
    found = changed(json.loads(document.read_text("utf-8")))
    names.write_text("".join(f"{name}\n" for name in found), "utf-8")
    print(f"### Changed\n\n{block(text.read_text('utf-8'))}\n")
