"""ID3v2 at the head of an MP3 file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from renderer.formats.id3 import encode_id3, id3_length, read_id3, with_picture
from renderer.formats.splice import TagError, chunks, splice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.formats.names import Tags
    from renderer.formats.pictures import Picture

_SYNC = re.compile(rb"\xff[\xe0-\xff]")  # eleven bits set begin a frame of sound


def begins(head: bytes) -> bool:
    """Whether these first bytes are a frame's."""
    return _SYNC.match(head) is not None


def tag(path: Path, tags: Tags) -> None:
    """Replace the tag before the sound.

    Raises: OSError; TagError when no sound follows it, or the tags are longer than ID3 takes.
    """
    with path.open("rb") as file:
        end = _sound_start(file)
    splice(path, 0, end, encode_id3(tags))


def add_picture(path: Path, picture: Picture) -> None:
    """Put a front cover into the tag that `tag` wrote.

    Raises: OSError; TagError when no sound follows it, or it gets longer than ID3 takes.
    """
    with path.open("rb") as file:
        end = _sound_start(file)
        file.seek(0)
        written = file.read(end)
    splice(path, 0, end, with_picture(written, picture))


def read_tags(file: BinaryIO) -> dict[str, str]:
    """The tags of an MP3 file, wherever in it `file` stands.

    Raises: OSError; TagError when they are cut.
    """
    file.seek(0)
    return read_id3(file)


def sound(file: BinaryIO) -> Iterator[bytes]:
    """Everything behind the tag: the frames."""
    yield from chunks(file, _sound_start(file), file.seek(0, 2))


def _sound_start(file: BinaryIO) -> int:
    start = id3_length(file)
    file.seek(start)
    if not begins(file.read(2)):
        raise TagError("it is no MP3 file")
    return start
