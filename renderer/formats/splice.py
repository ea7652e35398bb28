"""Bytes of a file replaced in place, what lies behind them moved along; and the error of every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 1 << 22  # few pieces, as of `takes.read_back.CHUNK_FRAMES`
MOST_READ_BYTES = 1 << 26  # no tags of anyone's are longer: what says it is comes from a stranger


class TagError(ValueError):
    """The file isn't of its format, or is damaged; the text says what."""


def splice(path: Path, start: int, end: int, content: bytes) -> None:
    """Put `content` in place of the bytes from `start` to `end`.

    Cut off half way it leaves a broken file: only for files that bear no name yet.
    """
    with path.open("r+b") as file:
        length = file.seek(0, 2)
        _move(file, end, start + len(content), length - end)
        file.seek(start)
        file.write(content)
        file.truncate(length + len(content) - (end - start))


def exactly(file: BinaryIO, num_bytes: int) -> bytes:
    """That many bytes.

    Raises: TagError when the file ends before.
    """
    found = file.read(num_bytes)
    if len(found) < num_bytes:
        raise TagError("it ends in the middle")
    return found


def chunks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """The file's bytes from `start` to `end`, a piece at a time."""
    file.seek(start)
    while start < end and (piece := file.read(min(CHUNK_BYTES, end - start))):
        start += len(piece)
        yield piece


def _move(file: BinaryIO, source: int, target: int, length: int) -> None:
    if source == target:
        return
    offsets = range(0, length, CHUNK_BYTES)
    # Growing, the last piece goes first, so that no piece is written over one still to be read.
    for offset in reversed(offsets) if target > source else offsets:
        file.seek(source + offset)
        piece = file.read(min(CHUNK_BYTES, length - offset))
        file.seek(target + offset)
        file.write(piece)
