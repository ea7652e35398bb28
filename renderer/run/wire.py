"""Messages between parent and worker: one JSON head, then raw arrays. No pickles; only registered values travel.

Frame: 4 bytes length of the head, head (UTF-8 JSON), then each array's bytes in the order the head names them, but for
those that it names a file for.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from renderer.run.messages import values
from renderer.run.spool import fetch

if TYPE_CHECKING:
    from io import BufferedIOBase

    import numpy.typing as npt

    from renderer.run.messages import Command, Event
    from renderer.run.spool import SpoolWriter

_HEAD = struct.Struct("<I")

Bytes = TypeVar("Bytes", bytearray, memoryview)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A message as it goes over the pipe; the arrays are the message's own memory, not copies."""

    body: str
    """JSON, with arrays by their number."""
    arrays: tuple[npt.NDArray[Any], ...]

    @property
    def num_bytes(self) -> int:
        """What it occupies."""
        return len(self.body) + sum(array.nbytes for array in self.arrays)


def frame(message: Command | Event) -> Frame:
    """The message, ready to be written; its arrays must stay as they are until then.

    Raises: TypeError for one that can't travel.
    """
    arrays: list[npt.NDArray[Any]] = []
    body = json.dumps(_pack(message, arrays), ensure_ascii=False)
    return Frame(body=body, arrays=tuple(np.ascontiguousarray(array) for array in arrays))


def write(pipe: IO[bytes], framed: Frame, spool: SpoolWriter | None = None) -> None:
    """Write one message and flush it; large arrays go to the spool, where there is one that takes them.

    Raises: BrokenPipeError when nobody reads any more.
    """
    # Files before the head that names them: whoever reads the head finds them whole.
    files = [spool.put(array.data) if spool else None for array in framed.arrays]
    shapes = [[a.dtype.str, list(a.shape), file] for a, file in zip(framed.arrays, files, strict=True)]
    head = f'{{"body":{framed.body},"arrays":{json.dumps(shapes)}}}'.encode()
    pipe.write(_HEAD.pack(len(head)) + head)
    for array, file in zip(framed.arrays, files, strict=True):
        if file is None:
            pipe.write(array.data)
    pipe.flush()


def send(pipe: IO[bytes], message: Command | Event) -> None:
    """Frame one message and write it.

    Raises: BrokenPipeError when nobody reads any more.
    """
    write(pipe, frame(message))


def receive(pipe: IO[bytes]) -> Command | Event | None:
    """The next message; None when the other side closed its end, or died in the middle of a word.

    Raises: OSError when a file that holds an array can't be read.
    """
    head_length = fill(pipe, bytearray(_HEAD.size))
    if head_length is None:
        return None
    raw = fill(pipe, bytearray(_HEAD.unpack(head_length)[0]))
    if raw is None:
        return None
    # Nothing is built before all of the head is there: a worker killed in the middle of a word has said nothing.
    head = json.loads(raw)
    arrays = []
    for dtype, shape, file in head["arrays"]:
        array = np.empty(shape, dtype=dtype)
        # Read to where it stays; torch wants arrays that may be written to, as these may.
        if file is not None:
            fetch(file, array.data.cast("B"))
        elif array.size and fill(pipe, array.data.cast("B")) is None:
            return None
        arrays.append(array)
    message: Command | Event = _unpack(head["body"], arrays)
    return message


def fill(pipe: IO[bytes], buffer: Bytes) -> Bytes | None:
    """The buffer, filled; None when the pipe ends before."""
    view, done = memoryview(buffer), 0
    while done < len(view):
        count = cast("BufferedIOBase", pipe).readinto(view[done:])
        if not count:
            return None
        done += count
    return buffer


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
        return values()[value["$enum"]](value["value"])
    # Only classes of the table are made, by name and fields: whoever writes to the pipe runs no code here.
    if "$value" in value:
        return values()[value["$value"]](**{name: _unpack(entry, arrays) for name, entry in value["fields"].items()})
    return {_unpack(key, arrays): _unpack(entry, arrays) for key, entry in value["$map"]}
