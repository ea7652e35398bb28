"""ID3v2: written as version 2.4 in UTF-8 without padding, read in versions 2.2 to 2.4 as other programs write it.

Source: id3.org, "ID3 tag version 2.4.0 - Main Structure" and "- Native Frames"; "ID3 tag version 2.3.0"; "2.2.0".
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from renderer.formats.names import NAMES, OF_FRAME
from renderer.formats.pictures import FRONT_COVER
from renderer.formats.splice import MOST_READ_BYTES, TagError, exactly

if TYPE_CHECKING:
    from collections.abc import Iterator

    from renderer.formats.names import Tags
    from renderer.formats.pictures import Picture

MAGIC = b"ID3"
HEAD_BYTES = 10
MOST_BYTES = (1 << 28) - 1
FREE_TEXT = "TXXX"
_WITH_LANGUAGE = frozenset({"USLT", "COMM"})
# ID3's language codes have three letters and ours have two: texts are marked undetermined, the language is a field.
_LANGUAGE = b"und"
_UTF8 = 3
_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_WIDE = (1, 2)
_OLD_FRAMES = {"TT2": "TIT2", "TBP": "TBPM", "TKE": "TKEY", "ULT": "USLT", "COM": "COMM", "TSS": "TSSE", "TXX": "TXXX"}
_UNSYNC, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10


class _Frame(NamedTuple):
    kind: str
    content: bytes


def encode_id3(tags: Tags) -> bytes:
    """A whole ID3v2.4 tag; nothing for no tags.

    Raises: TagError for more than ID3 can hold.
    """
    if not tags:
        return b""
    frames = b"".join(_encoded(name, text) for name, text in tags.items())
    return MAGIC + b"\x04\x00\x00" + _sync_safe(len(frames)) + frames


def with_picture(tag: bytes, picture: Picture) -> bytes:
    """A tag that `encode_id3` gave, or none, with a front cover behind its frames.

    Raises: TagError for more than ID3 can hold.
    """
    kind = bytes([_UTF8]) + picture.media_type.encode() + bytes([0, FRONT_COVER, 0])  # no description
    content = kind + picture.content
    frames = tag[HEAD_BYTES:] + b"APIC" + _sync_safe(len(content)) + b"\0\0" + content
    return MAGIC + b"\x04\x00\x00" + _sync_safe(len(frames)) + frames


def id3_length(file: BinaryIO) -> int:
    """Bytes of the tags that begin where `file` stands, one behind the other; 0 for none.

    Raises: OSError.
    """
    length, start = 0, file.tell()
    while (head := file.read(HEAD_BYTES))[:3] == MAGIC and len(head) == HEAD_BYTES:
        footer = HEAD_BYTES if head[5] & _FOOTER else 0
        length += HEAD_BYTES + _number(head[6:]) + footer
        file.seek(start + length)
    return length


def read_id3(file: BinaryIO) -> dict[str, str]:
    """The tags by our names, of the ID3v2 tag that begins where `file` stands; of several texts, the first.

    Raises: OSError; TagError when it is cut.
    """
    head = file.read(HEAD_BYTES)
    if head[:3] != MAGIC or len(head) < HEAD_BYTES:
        return {}
    version, flags = head[3], head[5]
    length = _number(head[6:])
    if length > MOST_READ_BYTES:
        raise TagError("its tags are too long to be any")
    body = exactly(file, length)
    if flags & _UNSYNC and version < 4:  # noqa: PLR2004 - the version that moved it into the frames
        body = _synced(body)
    if flags & _EXTENDED and version > 2:  # noqa: PLR2004 - 2.2 has none
        body = body[_extended_length(version, body) :]
    tags: dict[str, str] = {}
    for frame in _frames(version, body):
        for name, text in _decoded(frame):
            tags.setdefault(name, text)
    return tags


def _encoded(name: str, text: str) -> bytes:
    kind = NAMES[name].frame if name in NAMES else FREE_TEXT
    # A NUL ends a text in ID3.
    content = text.replace("\0", "").encode("utf-8", "replace")
    if kind in _WITH_LANGUAGE:
        content = _LANGUAGE + b"\0" + content
    elif kind == FREE_TEXT:
        content = name.upper().encode() + b"\0" + content
    content = bytes([_UTF8]) + content
    return kind.encode() + _sync_safe(len(content)) + b"\0\0" + content


def _sync_safe(number: int) -> bytes:
    """Four bytes of seven bits each, so that no tag looks like a frame of sound."""
    if number > MOST_BYTES:
        raise TagError(f"ID3 takes no tags longer than {MOST_BYTES:,} bytes")
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def _number(content: bytes) -> int:
    # Some programs write plain numbers where seven-bit ones belong.
    bits = 8 if any(byte & 0x80 for byte in content) else 7
    number = 0
    for byte in content:
        number = number << bits | byte
    return number


def _synced(content: bytes) -> bytes:
    return content.replace(b"\xff\x00", b"\xff")


def _extended_length(version: int, body: bytes) -> int:
    if version == 3:  # noqa: PLR2004 - 2.3 doesn't count the length itself, and writes it plainly
        return 4 + int.from_bytes(body[:4], "big")
    return _number(body[:4])


def _frames(version: int, body: bytes) -> Iterator[_Frame]:
    old = version == 2  # noqa: PLR2004 - shorter heads
    head_bytes, name_bytes = (6, 3) if old else (10, 4)
    position = 0
    # Zeros after the last frame are padding.
    while position + head_bytes <= len(body) and body[position]:
        head = body[position : position + head_bytes]
        size = head[name_bytes : name_bytes + (3 if old else 4)]
        length = _number(size) if version > 3 else int.from_bytes(size, "big")  # noqa: PLR2004 - sync-safe since 2.4
        content = body[position + head_bytes : position + head_bytes + length]
        position += head_bytes + length
        kind = head[:name_bytes].decode("latin-1")
        plain = content if old else _plain(version, head[9], content)
        if plain is not None:
            yield _Frame(_OLD_FRAMES.get(kind, kind), plain)


def _plain(version: int, flags: int, content: bytes) -> bytes | None:
    """A frame's content as it was before it was packed; None when it can't be had."""
    packed, locked, grouped, length_first, unsync = (
        (flags & 0x80, flags & 0x40, flags & 0x20, flags & 0x80, 0)
        if version == 3  # noqa: PLR2004 - 2.4 numbers the flags anew
        else (flags & 0x08, flags & 0x04, flags & 0x40, flags & 0x01, flags & 0x02)
    )
    if locked:
        return None
    content = _synced(content) if unsync else content
    content = content[(1 if grouped else 0) + (4 if length_first else 0) :]
    if not packed:
        return content
    try:
        return zlib.decompressobj().decompress(content, MOST_READ_BYTES)
    except zlib.error:
        return None


def _decoded(frame: _Frame) -> Iterator[tuple[str, str]]:
    kind, content = frame
    if not content or content[0] >= len(_ENCODINGS) or (kind not in OF_FRAME and kind != FREE_TEXT):
        return
    encoding, rest = content[0], content[1:]
    if kind in _WITH_LANGUAGE:
        described, text = _split(rest[3:], encoding)
        # Programs keep numbers of their own in described comments.
        if kind == "USLT" or not described:
            yield OF_FRAME[kind], text
    elif kind == FREE_TEXT:
        described, text = _split(rest, encoding)
        yield described.lower(), text
    else:
        yield OF_FRAME[kind], _text(rest, encoding)


def _split(content: bytes, encoding: int) -> tuple[str, str]:
    mark = b"\0\0" if encoding in _WIDE else b"\0"
    end = content.find(mark)
    while end % len(mark) > 0 and end >= 0:  # the second byte of one letter and the first of the next
        end = content.find(mark, end + 1)
    end = len(content) if end < 0 else end
    return _text(content[:end], encoding), _text(content[end + len(mark) :], encoding)


def _text(content: bytes, encoding: int) -> str:
    try:
        text = content.decode(_ENCODINGS[encoding], "replace")
    except UnicodeError:  # UTF-16 of nothing but a mark
        return ""
    return text.split("\0", 1)[0]
