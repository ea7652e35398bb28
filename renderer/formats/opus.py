"""Vorbis comments in an Ogg Opus file: the second packet, on pages of its own; pages behind it are numbered anew.

Source: RFC 3533 (Ogg), section 6; RFC 7845 (Opus in Ogg), sections 3 and 5.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from renderer.formats.splice import MOST_READ_BYTES, TagError, exactly
from renderer.formats.vorbis import decode_comments, encode_comments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from renderer.formats.names import Tags

_MAGIC = b"OggS"
_HEAD = struct.Struct("<4sBBqIIIB")
_OPUS_HEAD, _OPUS_TAGS = b"OpusHead", b"OpusTags"
_CONTINUED = 0x01
_UNFINISHED = -1  # the time of a page on which no packet ends
_CHECKSUM_AT = 22
_ONES = 0xFFFFFFFF
_FULL = 255  # bytes of a segment that isn't a packet's last; also the segments of a page
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    flags: int
    time: int
    """In samples, up to this page's end."""
    stream: int
    number: int
    segments: bytes
    """The length of each."""
    body: bytes

    def unsigned(self) -> bytes:
        """The page with zero for its checksum."""
        head = _HEAD.pack(_MAGIC, 0, self.flags, self.time, self.stream, self.number, 0, len(self.segments))
        return head + self.segments + self.body

    def encoded(self) -> bytes:
        page = self.unsigned()
        return page[:_CHECKSUM_AT] + struct.pack("<I", _checksum(page)) + page[_CHECKSUM_AT + 4 :]


def begins(head: bytes) -> bool:
    """Whether these first bytes are those of pages of Ogg."""
    return head.startswith(_MAGIC)


def tag(path: Path, tags: Tags) -> None:
    """Replace the file's comments. The stream's number, which libsndfile draws, is then that of its sound.

    Raises: OSError; TagError when it is no Opus file, or is damaged.
    """
    with path.open("rb") as file:
        pages = tuple(_pages(file))
    packet, before = _comments(pages)
    own = pages[0].stream
    drawn = zlib.crc32(b"".join(page.body for page in pages[before:] if page.stream == own))
    vendor, _ = decode_comments(packet)
    comments = tuple(_paged(_OPUS_TAGS + encode_comments(vendor, tags), drawn))
    moved = len(comments) - sum(page.stream == own for page in pages[1:before])
    head = (pages[0]._replace(stream=drawn), *(page for page in pages[1:before] if page.stream != own))
    tail = (p._replace(stream=drawn, number=p.number + moved) if p.stream == own else p for p in pages[before:])
    path.write_bytes(b"".join(page.encoded() for page in (*head, *comments, *tail)))


def read_tags(file: BinaryIO) -> dict[str, str]:
    """The tags of an Ogg Opus file that begins where `file` stands.

    Raises: OSError; TagError when it is no Opus file, or is damaged.
    """
    return decode_comments(_comments(_pages(file))[0])[1]


def sound(file: BinaryIO) -> Iterator[bytes]:
    """The pages' content behind the comments, and how the first page says it is to be played."""
    pages = tuple(_pages(file))
    _, before = _comments(pages)
    yield pages[0].body
    for page in pages[before:]:
        yield page.segments + page.body


def _comments(pages: Iterable[_Page]) -> tuple[bytes, int]:
    """What follows the magic of the comments' packet, and how many pages lie before the sound."""
    own: int | None = None
    parts: list[bytes] = []
    num_bytes = 0
    for count, page in enumerate(pages, start=1):
        if own is None:
            if not page.body.startswith(_OPUS_HEAD):
                raise TagError("it is no Opus file")
            own = page.stream
        elif page.stream == own:
            parts.append(page.body)
            num_bytes += len(page.body)
            if num_bytes > MOST_READ_BYTES:
                raise TagError("its comments are too long to be any")
            if any(length < _FULL for length in page.segments[:-1]):
                raise TagError("its comments share a page with sound")
            if page.segments and page.segments[-1] < _FULL:
                packet = b"".join(parts)
                if not packet.startswith(_OPUS_TAGS):
                    raise TagError("it has no comments")
                return packet[len(_OPUS_TAGS) :], count
    raise TagError("it ends in the middle")


def _pages(file: BinaryIO) -> Iterator[_Page]:
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size or head[:4] != _MAGIC:
            raise TagError("it isn't whole pages of Ogg")
        _, _, flags, time, stream, number, checksum, num_segments = _HEAD.unpack(head)
        segments = exactly(file, num_segments)
        page = _Page(flags, time, stream, number, segments, exactly(file, sum(segments)))
        if _checksum(page.unsigned()) != checksum:
            # Numbered anew, the damage would look whole.
            raise TagError(f"its page {number} is damaged")
        yield page


def _paged(packet: bytes, stream: int) -> Iterator[_Page]:
    """The packet on pages of its own, numbered from 1."""
    lengths = bytes([_FULL] * (len(packet) // _FULL) + [len(packet) % _FULL])
    for number, first in enumerate(range(0, len(lengths), _FULL), start=1):
        segments = lengths[first : first + _FULL]
        start = first * _FULL
        yield _Page(
            flags=0 if number == 1 else _CONTINUED,
            time=0 if first + _FULL >= len(lengths) else _UNFINISHED,
            stream=stream,
            number=number,
            segments=segments,
            body=packet[start : start + sum(segments)],
        )


def _checksum(page: bytes) -> int:
    """Ogg's CRC of a page whose own is zero: zlib's polynomial on mirrored bits, from zero, not inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), _ONES) ^ _ONES
    return int(f"{mirrored:032b}"[::-1], 2)
