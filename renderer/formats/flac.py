"""Vorbis comments in a FLAC file: one of the metadata blocks before the frames.

Source: RFC 9639, section 8.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from renderer.formats.pictures import FRONT_COVER
from renderer.formats.splice import TagError, chunks, exactly, splice
from renderer.formats.vorbis import decode_comments, encode_comments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.formats.names import Tags
    from renderer.formats.pictures import Picture

_MAGIC = b"fLaC"
PADDING, COMMENTS, PICTURE = 1, 4, 6
MOST_BYTES = (1 << 24) - 1
_LAST = 0x80


class _Block(NamedTuple):
    kind: int
    content: bytes


def begins(head: bytes) -> bool:
    """Whether these first bytes are a FLAC file's."""
    return head.startswith(_MAGIC)


def tag(path: Path, tags: Tags) -> None:
    """Replace the file's comments; the other blocks stay, padding goes.

    Raises: OSError; TagError when it is no FLAC file, or the tags are longer than a block may be.
    """
    with path.open("rb") as file:
        blocks = _blocks(file)
        end = file.tell()
    vendor = next((decode_comments(block.content)[0] for block in blocks if block.kind == COMMENTS), b"")
    kept = [block for block in blocks if block.kind not in (PADDING, COMMENTS)]
    # STREAMINFO has to be the first block.
    kept.insert(1, _Block(COMMENTS, encode_comments(vendor, tags)))
    if any(len(block.content) > MOST_BYTES for block in kept):
        raise TagError(f"FLAC takes no tags longer than {MOST_BYTES:,} bytes")
    splice(path, len(_MAGIC), end, b"".join(_encoded(kept)))


def add_picture(path: Path, picture: Picture) -> None:
    """Put a front cover behind the file's other blocks, in place of any picture.

    Raises: OSError; TagError when it is no FLAC file.
    """
    with path.open("rb") as file:
        kept = [block for block in _blocks(file) if block.kind != PICTURE]
        end = file.tell()
    kind = picture.media_type.encode()
    head = struct.pack(">II", FRONT_COVER, len(kind)) + kind + struct.pack(">I", 0)  # no description
    size = struct.pack(">IIIII", picture.width, picture.height, picture.depth, 0, len(picture.content))
    kept.append(_Block(PICTURE, head + size + picture.content))
    splice(path, len(_MAGIC), end, b"".join(_encoded(kept)))


def read_tags(file: BinaryIO) -> dict[str, str]:
    """The tags of a FLAC file that begins where `file` stands.

    Raises: OSError; TagError when it is cut or damaged.
    """
    return next((decode_comments(block.content)[1] for block in _blocks(file) if block.kind == COMMENTS), {})


def sound(file: BinaryIO) -> Iterator[bytes]:
    """Everything behind the metadata: the frames."""
    _blocks(file)
    yield from chunks(file, file.tell(), file.seek(0, 2))


def _blocks(file: BinaryIO) -> list[_Block]:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise TagError("it is no FLAC file")
    blocks: list[_Block] = []
    while True:
        head = exactly(file, 4)
        blocks.append(_Block(head[0] & ~_LAST, exactly(file, int.from_bytes(head[1:], "big"))))
        if head[0] & _LAST:
            return blocks


def _encoded(blocks: list[_Block]) -> Iterator[bytes]:
    for number, block in enumerate(blocks, start=1):
        last = _LAST if number == len(blocks) else 0
        yield bytes([block.kind | last]) + len(block.content).to_bytes(3, "big") + block.content
