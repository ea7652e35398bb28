"""`changed_takes.py JSON TEXT NAMES`: what `renderer status --since` told, as Markdown for a job's summary.

Into NAMES go the songs with takes that are asked for something else, a name a line, as renderer's commands take them.
Songs: a take that is named itself is finished whatever its plan scores, and refused where an option leaves it out. Of a
song of which $NAMES, what was looked at, named takes alone, it is these.
"""

from __future__ import annotations

import json
import os
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def changed(document: dict[str, Any]) -> list[str]:
    """The takes' names."""
    return [take for song in document["songs"] for take in _changed(song)]


def to_render(document: dict[str, Any], looked_at: Sequence[str]) -> Iterator[str]:
    """The names for renderer's commands."""
    for song in document["songs"]:
        takes = _changed(song)
        if takes and all(_is_meant(take, looked_at) for take in takes) and not _is_meant(song["song"], looked_at):
            yield from map(pattern, takes)
        elif takes:
            yield pattern(song["song"])


def pattern(name: str) -> str:
    """What means this name alone, and no folder that is called the same."""
    first, rest = name[:1], name[1:]
    found = (first if first in "!\n" else f"[{first}]") + re.sub(r"[*?[]", r"[\g<0>]", rest)
    return found.replace("\n", "?")


def _changed(song: dict[str, Any]) -> list[str]:
    return [take["take"] for take in song["takes"] if take["state"] not in ("same", "removed", "tags")]


def _is_meant(name: str, names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, one) for one in names)


MOST_CHARACTERS = 100_000  # GitHub takes a megabyte for a step's summary


def block(text: str) -> str:
    """The text as it is, whatever is in it; its beginning, where it is too long."""
    if len(text) > MOST_CHARACTERS:
        text = text[:MOST_CHARACTERS].rpartition("\n")[0] + "\n…"
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text.rstrip()}\n{fence}"


if __name__ == "__main__":
    document, text, names = map(Path, sys.argv[1:])
    found = to_render(json.loads(document.read_text("utf-8")), os.environ["NAMES"].splitlines())
    names.write_text("".join(f"{name}\n" for name in found), "utf-8")
    print(f"### Changed\n\n{block(text.read_text('utf-8'))}\n")
