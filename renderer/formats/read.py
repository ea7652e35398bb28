"""Tags out of an audio file of any of our formats, whatever its name ends in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.files import open_regular
from renderer.formats.id3 import id3_length, read_id3
from renderer.formats.splice import TagError
from renderer.formats.table import FORMATS

if TYPE_CHECKING:
    from pathlib import Path


def read_tags(path: Path) -> dict[str, str]:
    """Every tag by our name, lower case; of one that is there several times, the first.

    Raises: OSError; TagError when it is none of our formats, cut or damaged.
    """
    with open_regular(path) as file:
        behind = id3_length(file)
        file.seek(behind)
        head = file.read(4)
        file.seek(behind)
        for tagger in (row.tagger() for row in FORMATS.values()):
            if tagger.begins(head):
                return tagger.read_tags(file)
        if not behind:
            *others, last = (row.called for row in FORMATS.values())
            raise TagError(f"it is neither {', '.join(others)} nor {last}")
        file.seek(0)
        return read_id3(file)


def read_tag(path: Path, name: str) -> str | None:
    """One tag of an audio file; None when it has none.

    Raises: as `read_tags`.
    """
    return read_tags(path).get(name)
