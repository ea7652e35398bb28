"""A cover: JPEG or PNG, looked at without decoding it, for the formats whose players show one."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 10 << 20  # FLAC holds 16 MiB in a block, and nobody wants as much beside every song
FRONT_COVER = 3
"""As FLAC and ID3 number a picture's use."""
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_CHUNK_HEAD_BYTES, _CHECKSUM_BYTES, _HEADER_BYTES = 8, 4, 13
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG's segments that tell of a picture's size
_MARK, _SCAN = 0xFF, 0xDA
_END = b"\xff\xd9"


class PictureError(ValueError):
    """It is no picture that players show, or isn't whole; the text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture's file, as it is, and what its head tells."""

    content: bytes
    media_type: str
    suffix: str
    """Of a file that holds it: `.jpg`."""
    width: int
    """In pixels."""
    height: int
    depth: int
    """Bits of a pixel."""


def read_picture(content: bytes) -> Picture:
    """A picture by its bytes, whatever it is called.

    Raises: PictureError.
    """
    if len(content) > MOST_BYTES:
        raise PictureError(f"it is larger than {MOST_BYTES >> 20} MiB")
    if content.startswith(_PNG):
        return _png(content)
    if content.startswith(_JPEG):
        return _jpeg(content)
    raise PictureError("it is neither JPEG nor PNG")


class _Chunk(NamedTuple):
    kind: bytes
    content: bytes


def _png(content: bytes) -> Picture:
    chunks = list(_chunks(content))
    header = chunks[0].content if chunks and chunks[0].kind == b"IHDR" else b""
    if len(header) != _HEADER_BYTES or chunks[-1].kind != b"IEND":
        raise PictureError("it ends in the middle")
    width, height, bits, colour = struct.unpack_from(">IIBB", header)
    return _sized(content, "image/png", ".png", width, height, bits * _PNG_CHANNELS.get(colour, 0))


def _chunks(content: bytes) -> Iterator[_Chunk]:
    position = len(_PNG)
    while position < len(content):
        head = content[position : position + _CHUNK_HEAD_BYTES]
        length = int.from_bytes(head[:4], "big")
        end = position + _CHUNK_HEAD_BYTES + length
        checksum = content[end : end + _CHECKSUM_BYTES]
        if len(head) < _CHUNK_HEAD_BYTES or len(checksum) < _CHECKSUM_BYTES:
            raise PictureError("it ends in the middle")
        if zlib.crc32(content[position + 4 : end]) != int.from_bytes(checksum, "big"):
            raise PictureError("its bytes are damaged")
        chunk = _Chunk(head[4:], content[position + _CHUNK_HEAD_BYTES : end])
        yield chunk
        if chunk.kind == b"IEND":
            return
        position = end + _CHECKSUM_BYTES


def _jpeg(content: bytes) -> Picture:
    size: tuple[int, int, int] | None = None
    position = len(_JPEG)
    while position + 4 <= len(content) and content[position] == _MARK:
        if content[position + 1] == _MARK:  # before a segment there may be more of them
            position += 1
            continue
        kind, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if kind in _SIZES and length >= _CHUNK_HEAD_BYTES and position + 10 <= len(content):
            bits, height, width, channels = struct.unpack_from(">BHHB", content, position + 4)
            size = width, height, bits * channels
        if kind == _SCAN:
            break
        position += 2 + length
    # The end's mark behind the scan: one before it is a preview's, inside of the picture's own facts.
    if size is None or _END not in content[position:]:
        raise PictureError("it ends in the middle")
    return _sized(content, "image/jpeg", ".jpg", *size)


def _sized(content: bytes, media_type: str, suffix: str, width: int, height: int, depth: int) -> Picture:
    if not width or not height or not depth:
        raise PictureError("its head tells of no pixels")
    return Picture(content=content, media_type=media_type, suffix=suffix, width=width, height=height, depth=depth)
