"""Headers of safetensors files, read and held against the file's size as strictly as its own reader does. No torch.

Source of the format: huggingface/safetensors, README.md and safetensors/src/tensor.rs
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

from renderer.errors import ModelError
from renderer.models.catalog.other_formats import HEAD_BYTES, recognise
from renderer.models.catalog.regular_file import FETCH_AGAIN, regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST_HEADER_BYTES = 100_000_000  # what the format allows
LENGTH_BYTES = 8
BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Dtype -> bits of a number in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A tensor as its file's header describes it."""

    dtype: str
    """`F32`, `BF16`, …, as the format has it."""
    shape: tuple[int, ...]
    start: int
    """Of its bytes, in the file."""


def read_header(path: Path) -> Mapping[str, Entry]:
    """Every tensor of a file, by name; its numbers aren't read.

    Raises: ModelError saying what the file is instead, or where it is damaged.
    """
    found = regular(path)
    return _read(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _read(path: Path, size: int, mtime_ns: int) -> Mapping[str, Entry]:  # noqa: ARG001 - the time, so that a file that was written anew is read anew
    raw, begin = _header(path, size)
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_once)
    except RecursionError as error:
        raise _unreadable(path, "its header is nested too deep") from error
    except ValueError as error:
        raise _unreadable(path, f"its header is damaged: {error}") from error
    try:
        return _checked(found, begin, size)
    except _DamagedError as error:
        raise _unreadable(path, str(error), _advice(path)) from error


class _DamagedError(ValueError):
    """What of a header can't be, in a sentence."""


def _header(path: Path, size: int) -> tuple[bytes, int]:
    """The header's bytes, and where the tensors begin."""
    if not size:
        raise _unreadable(path, "it is empty")
    try:
        with path.open("rb") as opened:
            head = opened.read(LENGTH_BYTES)
            length = int.from_bytes(head, "little")
            if len(head) < LENGTH_BYTES or length > min(MOST_HEADER_BYTES, size - LENGTH_BYTES):
                raise _foreign(path, head + opened.read(HEAD_BYTES), length, size)
            raw = opened.read(length)
    except OSError as error:
        raise _unreadable(path, str(error.strerror), "check the drive") from error
    if not raw.startswith(b"{"):
        raise _foreign(path, head + raw[:HEAD_BYTES], length, size)
    return raw, LENGTH_BYTES + length


def _foreign(path: Path, head: bytes, length: int, size: int) -> ModelError:
    if (kind := recognise(head)) is not None:
        return _unreadable(path, f"it is {kind.description}", kind.help)
    if head[LENGTH_BYTES:].startswith(b'{"'):
        return _unreadable(path, f"its header is said to be {length:,} bytes long, the file is {size:,}")
    return _unreadable(path, "it doesn't begin as one")


def _unreadable(path: Path, why: str, advice: str = FETCH_AGAIN) -> ModelError:
    return ModelError(f"`{path}` can't be read as safetensors", why=why, help=advice)


def _advice(path: Path) -> str:
    return "save it again" if path.name.startswith("adapter") else FETCH_AGAIN


def _once(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _checked(header: Mapping[str, object], begin: int, size: int) -> Mapping[str, Entry]:
    _check_metadata(header.get("__metadata__"))
    spans, entries = [], {}
    for name, found in header.items():
        if name == "__metadata__":
            continue
        entry, span = _entry(name, found, begin)
        entries[name] = entry
        spans.append((*span, name))
    end = _check_spans(sorted(spans))
    if begin + end != size:
        more = begin + end - size
        told = f"its end is missing, {_bytes(more)}" if more > 0 else f"{_bytes(-more)} too many at its end"
        raise _DamagedError(f"{told}: its header speaks of {begin + end:,}, it has {size:,}")
    return entries


def _bytes(count: int) -> str:
    return f"{count:,} byte{'' if count == 1 else 's'}"


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _DamagedError("its header is damaged: `__metadata__` doesn't map words to words")


def _entry(name: str, described: object, begin: int) -> tuple[Entry, tuple[int, int]]:
    if not isinstance(described, dict) or described.keys() != {"dtype", "shape", "data_offsets"}:
        raise _DamagedError(f"its header is damaged: `{name}` isn't described by dtype, shape and data_offsets")
    dtype, shape, offsets = described["dtype"], described["shape"], described["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _DamagedError(f"its header is damaged: `{name}` has the dtype `{dtype}`")
    if not _whole(shape):
        raise _DamagedError(f"its header is damaged: `{name}` has the shape {shape}")
    if not _whole(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:  # noqa: PLR2004 - begin and end
        raise _DamagedError(f"its header is damaged: `{name}` lies at {offsets}")
    if prod(shape) * BITS[dtype] != (offsets[1] - offsets[0]) * 8:
        raise _DamagedError(
            f"its header is damaged: `{name}` takes {offsets[1] - offsets[0]:,} bytes, {dtype} of {shape} don't"
        )
    return Entry(dtype=dtype, shape=tuple(shape), start=begin + offsets[0]), (offsets[0], offsets[1])


def _whole(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value
    )


def _check_spans(spans: list[tuple[int, int, str]]) -> int:
    """Where the last tensor ends; each has to begin where the one before it ends."""
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise _DamagedError(f"its header is damaged: `{name}` begins at {start:,}, the one before ends at {end:,}")
        end = stop
    return end
