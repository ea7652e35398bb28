"""ID3v2 in an `id3` chunk behind a WAV file's samples, where players look for it.

Source: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", RIFF.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from renderer.takes.tags.id3 import encode_id3, read_id3
from renderer.takes.tags.splice import TagError, chunks, splice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.takes.tags.names import Tags

MAGIC = b"RIFF"
_HEAD = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_ID3 = b"id3 "
_SOUND = b"data"


class _Chunk(NamedTuple):
    name: bytes
    start: int
    """Of its head."""
    length: int
    """Of its content."""

    @property
    def content(self) -> int:
        return self.start + _CHUNK.size

    @property
    def end(self) -> int:
        # Chunks begin at even places.
        return self.content + self.length + self.length % 2


def tag_wav(path: Path, tags: Tags) -> None:
    """Replace the file's `id3` chunk.

    Raises: OSError; TagError when it is no WAV file or isn't whole, or the tags are longer than ID3 takes.
    """
    with path.open("rb") as file:
        end = _riff_end(file)
        found = [chunk for chunk in _chunks(file) if chunk.start < end]
        if end > file.seek(0, 2) or any(chunk.content + chunk.length > end for chunk in found):
            raise TagError("it ends in the middle")
    for chunk in reversed(found):
        if chunk.name.lower() == _ID3:
            gone = min(chunk.end, end)
            splice(path, chunk.start, gone, b"")
            end -= gone - chunk.start
    id3 = encode_id3(tags)
    # Some programs leave out the byte that makes the last chunk even.
    content = b"\0" * (end % 2) + _CHUNK.pack(_ID3, len(id3)) + id3 + b"\0" * (len(id3) % 2) if id3 else b""
    splice(path, end, end, content)
    with path.open("r+b") as file:
        file.seek(4)
        file.write(struct.pack("<I", end + len(content) - 8))


def read_wav(file: BinaryIO) -> dict[str, str]:
    """The tags of a WAV file that begins where `file` stands.

    Raises: OSError; TagError when it is no WAV file, or its tag is cut.
    """
    _riff_end(file)
    for chunk in _chunks(file):
        if chunk.name.lower() == _ID3:
            file.seek(chunk.content)
            return read_id3(file)
    return {}


def wav_sound(file: BinaryIO) -> Iterator[bytes]:
    """The samples."""
    _riff_end(file)
    for chunk in tuple(_chunks(file)):
        if chunk.name == _SOUND:
            yield from chunks(file, chunk.content, chunk.content + chunk.length)


def _riff_end(file: BinaryIO) -> int:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size or head[:4] != MAGIC or head[8:] != b"WAVE":
        raise TagError("it is no WAV file")
    return 8 + int(_HEAD.unpack(head)[1])


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    """Every chunk up to the file's end, whatever the head says of its length."""
    start = _HEAD.size
    file.seek(start)
    while len(head := file.read(_CHUNK.size)) == _CHUNK.size:
        name, length = _CHUNK.unpack(head)
        chunk = _Chunk(name, start, length)
        yield chunk
        start = chunk.end
        file.seek(start)
