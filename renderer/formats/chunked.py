"""ID3v2 in a chunk behind the samples of a file of chunks, where players look for it.

Source: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", RIFF; it is Electronic Arts'
IFF with its numbers turned round.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from renderer.formats.id3 import encode_id3, read_id3
from renderer.formats.splice import TagError, chunks, splice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.formats.names import Tags

_NAME_BYTES = 4
_CHUNK_HEAD_BYTES = 8  # a chunk's name and the length of its content; a file's begins with one that holds all others
_FIRST_CHUNK = 12


class _Chunk(NamedTuple):
    name: bytes
    start: int
    """Of its head."""
    length: int
    """Of its content."""

    @property
    def content(self) -> int:
        return self.start + _CHUNK_HEAD_BYTES

    @property
    def end(self) -> int:
        # Chunks begin at even places.
        return self.content + self.length + self.length % 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkedFile:
    """A kind of file that is one chunk of chunks."""

    called: str
    """As people write it."""
    magic: bytes
    """The name of the outermost chunk."""
    form: bytes
    """What that says it holds."""
    byte_order: Literal["<", ">"]
    """Of lengths, as `struct` has it."""
    samples: bytes
    """The name of the chunk with the sound."""
    id3: bytes
    """The name of the chunk that ID3 is written in; it is read by this name in any case."""

    def begins(self, head: bytes) -> bool:
        """Whether these first bytes are the outermost chunk's."""
        return head.startswith(self.magic)

    def tag(self, path: Path, tags: Tags) -> None:
        """Replace the file's chunk of tags.

        Raises: OSError; TagError when it is another kind or isn't whole, or the tags are longer than ID3 takes.
        """
        with path.open("rb") as file:
            end = self._end(file)
            found = [chunk for chunk in self._chunks(file) if chunk.start < end]
            if end > file.seek(0, 2) or any(chunk.content + chunk.length > end for chunk in found):
                raise TagError("it ends in the middle")
        for chunk in reversed(found):
            if self._holds_tags(chunk):
                gone = min(chunk.end, end)
                splice(path, chunk.start, gone, b"")
                end -= gone - chunk.start
        id3 = encode_id3(tags)
        # Some programs leave out the byte that makes the last chunk even.
        content = b"\0" * (end % 2) + self._head(self.id3, len(id3)) + id3 + b"\0" * (len(id3) % 2) if id3 else b""
        splice(path, end, end, content)
        with path.open("r+b") as file:
            file.write(self._head(self.magic, end + len(content) - _CHUNK_HEAD_BYTES))

    def read_tags(self, file: BinaryIO) -> dict[str, str]:
        """The tags of a file that begins where `file` stands.

        Raises: OSError; TagError when it is another kind, or its tag is cut.
        """
        self._end(file)
        for chunk in self._chunks(file):
            if self._holds_tags(chunk):
                file.seek(chunk.content)
                return read_id3(file)
        return {}

    def sound(self, file: BinaryIO) -> Iterator[bytes]:
        """The samples."""
        self._end(file)
        for chunk in tuple(self._chunks(file)):
            if chunk.name == self.samples:
                yield from chunks(file, chunk.content, chunk.content + chunk.length)

    def _holds_tags(self, chunk: _Chunk) -> bool:
        return chunk.name.lower() == self.id3.lower()

    def _head(self, name: bytes, length: int) -> bytes:
        return name + struct.pack(f"{self.byte_order}I", length)

    def _read_head(self, head: bytes) -> tuple[bytes, int]:
        (length,) = struct.unpack_from(f"{self.byte_order}I", head, _NAME_BYTES)
        return head[:_NAME_BYTES], int(length)

    def _end(self, file: BinaryIO) -> int:
        """Where the outermost chunk ends, as its head has it; the file then stands at the first inside."""
        head = file.read(_FIRST_CHUNK)
        if len(head) < _FIRST_CHUNK or head[:_NAME_BYTES] != self.magic or head[_CHUNK_HEAD_BYTES:] != self.form:
            raise TagError(f"it is no {self.called} file")
        return _CHUNK_HEAD_BYTES + self._read_head(head)[1]

    def _chunks(self, file: BinaryIO) -> Iterator[_Chunk]:
        """Every chunk up to the file's end, whatever the head says of its length."""
        start = _FIRST_CHUNK
        file.seek(start)
        while len(head := file.read(_CHUNK_HEAD_BYTES)) == _CHUNK_HEAD_BYTES:
            chunk = _Chunk(self._read_head(head)[0], start, self._read_head(head)[1])
            yield chunk
            start = chunk.end
            file.seek(start)
