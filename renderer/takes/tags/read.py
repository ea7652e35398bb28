"""Tags out of an audio file of any of our formats, whatever its name ends in."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from renderer.files import open_regular
from renderer.takes.tags import flac, id3, mp3, opus, wav
from renderer.takes.tags.splice import TagError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

READERS: Mapping[bytes, Callable[[BinaryIO], dict[str, str]]] = {
    flac.MAGIC: flac.read_flac,
    opus.MAGIC: opus.read_opus,
    wav.MAGIC: wav.read_wav,
}
"""What a file begins with -> how its tags are read."""


def read_tags(path: Path) -> dict[str, str]:
    """Every tag by our name, lower case; of one that is there several times, the first.

    Raises: OSError; TagError when it is none of our formats, cut or damaged.
    """
    with open_regular(path) as file:
        behind = id3.id3_length(file)
        file.seek(behind)
        head = file.read(4)
        file.seek(behind)
        if reader := READERS.get(head):
            return reader(file)
        if not behind and not mp3.is_mp3(head):
            raise TagError("it is neither WAV, FLAC, MP3 nor Opus")
        file.seek(0)
        return id3.read_id3(file)


def read_tag(path: Path, name: str) -> str | None:
    """One tag of an audio file; None when it has none.

    Raises: as `read_tags`.
    """
    return read_tags(path).get(name)
