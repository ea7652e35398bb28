"""Messages between parent and worker: one JSON head, then raw arrays. No pickles; only the values listed here travel.

Frame: 4 bytes length of the head, head (UTF-8 JSON), then each array's bytes in the order the head names them.
"""

from __future__ import annotations

import json
import struct
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from renderer.artifacts import Codes, Cot, CotMetas, Latents, Waveform
from renderer.models.family import Done, Failed, ModelFiles, Part, Residency, Settings, Stage, StageJob
from renderer.requests import CodesRequest, CotRequest, GivenMetas, LatentsRequest, LmSampling, WaveformRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_VALUES: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Cot, CotMetas, Codes, Latents, Waveform),
        *(CotRequest, CodesRequest, LatentsRequest, WaveformRequest, GivenMetas, LmSampling),
        *(ModelFiles, Settings, StageJob, Done, Failed),
    )
}
_ENUMS: Mapping[str, type[Enum]] = {kind.__name__: kind for kind in (Part, Residency, Stage)}
_HEAD = struct.Struct("<I")


def send(pipe: IO[bytes], message: Mapping[str, Any]) -> None:
    """Write one message and flush it.

    Raises: BrokenPipeError when nobody reads any more.
    """
    arrays: list[npt.NDArray[Any]] = []
    body = _pack(dict(message), arrays)
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    head = json.dumps({"body": body, "arrays": shapes}, ensure_ascii=False).encode()
    pipe.write(_HEAD.pack(len(head)))
    pipe.write(head)
    for array in arrays:
        pipe.write(np.ascontiguousarray(array).data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> dict[str, Any] | None:
    """The next message; None when the other side closed its end, or died in the middle of a word."""
    head_length = _exactly(pipe, _HEAD.size)
    if head_length is None:
        return None
    raw = _exactly(pipe, _HEAD.unpack(head_length)[0])
    if raw is None:
        return None
    head = json.loads(raw)
    arrays = []
    for dtype_name, shape in head["arrays"]:
        dtype = np.dtype(dtype_name)
        content = _exactly(pipe, dtype.itemsize * int(np.prod(shape, dtype=np.int64)))
        if content is None:
            return None
        arrays.append(np.frombuffer(content, dtype=dtype).reshape(shape))
    message: dict[str, Any] = _unpack(head["body"], arrays)
    return message


def _exactly(pipe: IO[bytes], num_bytes: int) -> bytearray | None:
    # A bytearray, so that arrays over it may be written to, as torch wants them.
    content = bytearray(pipe.read(num_bytes))
    return content if len(content) == num_bytes else None


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
