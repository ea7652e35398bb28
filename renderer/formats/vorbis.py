"""Vorbis comments: a vendor and `FIELD=text` lines.

Source: xiph.org, "Ogg Vorbis I format specification: comment field and header specification".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from renderer.formats.names import field_of, name_of_field
from renderer.formats.splice import TagError

if TYPE_CHECKING:
    from renderer.formats.names import Tags

_LENGTH = struct.Struct("<I")


def encode_comments(vendor: bytes, tags: Tags) -> bytes:
    """The comments without the framing bit, which Ogg Vorbis alone has."""
    lines = [f"{field_of(name)}={text}".encode("utf-8", "replace") for name, text in tags.items()]
    return b"".join((_sized(vendor), _LENGTH.pack(len(lines)), *map(_sized, lines)))


def decode_comments(content: bytes) -> tuple[bytes, dict[str, str]]:
    """The vendor, and the tags by our names; of a field that is there several times, the first.

    Raises: TagError when they are cut or damaged.
    """
    vendor, position = _text(content, 0)
    count, position = _number(content, position)
    tags: dict[str, str] = {}
    for _ in range(count):
        line, position = _text(content, position)
        field, _, text = line.decode("utf-8", "replace").partition("=")
        tags.setdefault(name_of_field(field), text)
    return vendor, tags


def _sized(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


def _number(content: bytes, position: int) -> tuple[int, int]:
    if position + _LENGTH.size > len(content):
        raise TagError("its comments are cut")
    (number,) = _LENGTH.unpack_from(content, position)
    return number, position + _LENGTH.size


def _text(content: bytes, position: int) -> tuple[bytes, int]:
    length, position = _number(content, position)
    if position + length > len(content):
        raise TagError("its comments are cut")
    return content[position : position + length], position + length
