"""ID3v2 at the head of an MP3 file."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from renderer.takes.tags.id3 import encode_id3, id3_length
from renderer.takes.tags.splice import TagError, chunks, splice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.takes.tags.names import Tags

_SYNC = 0xE0  # eleven bits set begin a frame of sound


def tag_mp3(path: Path, tags: Tags) -> None:
    """Replace the tag before the sound.

    Raises: OSError; TagError when no sound follows it, or the tags are longer than ID3 takes.
    """
    with path.open("rb") as file:
        end = _sound_start(file)
    splice(path, 0, end, encode_id3(tags))


def mp3_sound(file: BinaryIO) -> Iterator[bytes]:
    """Everything behind the tag: the frames."""
    yield from chunks(file, _sound_start(file), file.seek(0, 2))


def is_mp3(head: bytes) -> bool:
    """Whether these first bytes are a frame's."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & _SYNC == _SYNC  # noqa: PLR2004 - the sync's first byte


def _sound_start(file: BinaryIO) -> int:
    start = id3_length(file)
    file.seek(start)
    if not is_mp3(file.read(2)):
        raise TagError("it is no MP3 file")
    return start
