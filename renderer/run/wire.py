"""Messages between parent and worker: one JSON head, then raw arrays. No pickles; only the values listed here travel.

Frame: 4 bytes length of the head, head (UTF-8 JSON), then each array's bytes in the order the head names them.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from renderer.artifacts import Codes, Cot, CotMetas, Latents, Waveform
from renderer.models.ace_step.protocol.requests import (
    CodesRequest,
    CotRequest,
    GivenMetas,
    LatentsRequest,
    LmSampling,
    WaveformRequest,
)
from renderer.models.family import Done, Failed, ModelFiles, Residency, Settings, StageJob
from renderer.provenance import CodesNotes, CotNotes, DitNotes, VaeNotes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedIOBase

    import numpy.typing as npt

_VALUES: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Cot, CotMetas, Codes, Latents, Waveform),
        *(CotNotes, CodesNotes, DitNotes, VaeNotes),
        *(CotRequest, CodesRequest, LatentsRequest, WaveformRequest, GivenMetas, LmSampling),
        *(ModelFiles, Settings, StageJob, Done, Failed),
    )
}
_ENUMS: Mapping[str, type[Enum]] = {kind.__name__: kind for kind in (Residency,)}
_HEAD = struct.Struct("<I")

Bytes = TypeVar("Bytes", bytearray, memoryview)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A message as it goes over the pipe; the arrays are the message's own memory, not copies."""

    head: bytes
    arrays: tuple[memoryview, ...]

    @property
    def num_bytes(self) -> int:
        """What it occupies."""
        return len(self.head) + sum(array.nbytes for array in self.arrays)


def frame(message: Mapping[str, Any]) -> Frame:
    """The message, ready to be written; its arrays must stay as they are until then."""
    arrays: list[npt.NDArray[Any]] = []
    body = _pack(dict(message), arrays)
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    head = json.dumps({"body": body, "arrays": shapes}, ensure_ascii=False).encode()
    return Frame(head=_HEAD.pack(len(head)) + head, arrays=tuple(np.ascontiguousarray(array).data for array in arrays))


def write(pipe: IO[bytes], framed: Frame) -> None:
    """Write one message and flush it.

    Raises: BrokenPipeError when nobody reads any more.
    """
    pipe.write(framed.head)
    for array in framed.arrays:
        pipe.write(array)
    pipe.flush()


def send(pipe: IO[bytes], message: Mapping[str, Any]) -> None:
    """Frame one message and write it.

    Raises: BrokenPipeError when nobody reads any more.
    """
    write(pipe, frame(message))


def receive(pipe: IO[bytes]) -> dict[str, Any] | None:
    """The next message; None when the other side closed its end, or died in the middle of a word."""
    head_length = _fill(pipe, bytearray(_HEAD.size))
    if head_length is None:
        return None
    raw = _fill(pipe, bytearray(_HEAD.unpack(head_length)[0]))
    if raw is None:
        return None
    head = json.loads(raw)
    arrays = []
    for dtype, shape in head["arrays"]:
        array = np.empty(shape, dtype=dtype)
        # Read to where it stays; torch wants arrays that may be written to, as these may.
        if array.size and _fill(pipe, array.data.cast("B")) is None:
            return None
        arrays.append(array)
    message: dict[str, Any] = _unpack(head["body"], arrays)
    return message


def _fill(pipe: IO[bytes], room: Bytes) -> Bytes | None:
    """The room, filled; None when the pipe ends before."""
    view, done = memoryview(room), 0
    while done < len(view):
        count = cast("BufferedIOBase", pipe).readinto(view[done:])
        if not count:
            return None
        done += count
    return room


def _pack(value: Any, arrays: list[npt.NDArray[Any]]) -> Any:  # noqa: PLR0911 - one return a kind of value
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"$array": len(arrays) - 1}
    if isinstance(value, Enum):
        return {"$enum": type(value).__name__, "value": value.value}
    if is_dataclass(value) and not isinstance(value, type):
        content = {field.name: _pack(getattr(value, field.name), arrays) for field in fields(value)}
        return {"$value": type(value).__name__, "fields": content}
    if isinstance(value, dict):
        return {"$map": [[_pack(key, arrays), _pack(entry, arrays)] for key, entry in value.items()]}
    if isinstance(value, tuple | list):
        return [_pack(entry, arrays) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _unpack(value: Any, arrays: list[npt.NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(entry, arrays) for entry in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    if "$enum" in value:
        return _ENUMS[value["$enum"]](value["value"])
    if "$value" in value:
        return _VALUES[value["$value"]](**{name: _unpack(entry, arrays) for name, entry in value["fields"].items()})
    return {_unpack(key, arrays): _unpack(entry, arrays) for key, entry in value["$map"]}
