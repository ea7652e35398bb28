"""Weights of the part that comes next, asked into the system's file cache while the current one runs. No torch."""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from renderer.errors import ModelError
from renderer.models.family import family

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

SHARE = 0.5  # of the memory that is free, at most: what runs now comes first
PIECE = 128 << 10  # Linux reads no more than a device's read-ahead of each range it is asked for: 128 KiB by default
_F_RDADVISE = (
    44  # macOS's fcntl: read this range when there is time. Source: apple-oss-distributions/xnu, bsd/sys/fcntl.h
)


def read_ahead(part: str, files: ModelFiles) -> int:
    """Ask for a part's files; gives the bytes asked for, none when they'd take too much of the free memory."""
    # Only advice: a file that is gone is told by whoever loads it.
    with suppress(OSError, ModelError):
        sizes = {path: path.stat().st_size for path in _weights(part, files)}
        if sum(sizes.values()) <= SHARE * psutil.virtual_memory().available:
            for path, size in sizes.items():
                _ask(path, size)
            return sum(sizes.values())
    return 0


def _weights(part: str, files: ModelFiles) -> Iterator[Path]:
    for one in family(files.family).files_of(part, files):
        if one.path.suffix == ".safetensors":
            yield one.path


def _ask(path: Path, size: int) -> None:
    with path.open("rb", buffering=0) as opened:
        for start in range(0, size, PIECE):
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(opened.fileno(), start, PIECE, os.POSIX_FADV_WILLNEED)
            elif sys.platform == "darwin":
                import fcntl  # noqa: PLC0415 - Unix only

                fcntl.fcntl(opened.fileno(), _F_RDADVISE, struct.pack("qi", start, PIECE))
