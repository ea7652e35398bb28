"""Artifacts <-> self-verifying safetensors bytes: arrays as tensors, the rest as a JSON record, a digest over both."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from renderer.errors import StoreError
from renderer.json_values import JsonError, from_json, to_json
from renderer.provenance import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from _typeshed import DataclassInstance

    from renderer.artifacts import Artifact

    Arrays = Mapping[str, npt.NDArray[Any]]

FORMAT_VERSION = 1


def encode(artifact: Artifact, origin: Origin, name: str) -> bytes:
    """The artifact with its name, `stage/key`, and what it was made from as safetensors bytes."""
    import numpy as np  # noqa: PLC0415 - it and what follows take a tenth of a second: only when something is stored
    from safetensors.numpy import save  # noqa: PLC0415

    told = to_json(cast("DataclassInstance", artifact))
    notes = told.pop("notes")
    arrays = {field: np.ascontiguousarray(one) for field, one in told.items() if isinstance(one, np.ndarray)}
    content = {field: one for field, one in told.items() if field not in arrays}
    record = json.dumps(
        {
            "version": FORMAT_VERSION,
            "name": name,
            "content": content | {"kind": name.partition("/")[0]},
            "notes": notes,
            "made_by": to_json(origin),
        },
        sort_keys=True,
        ensure_ascii=False,
    )
    # One entry: safetensors writes several in an order of its own, and equal artifacts are equal files.
    sealed = json.dumps({"digest": digest(record, arrays), "record": record}, ensure_ascii=False)
    return save(dict(arrays), metadata={"renderer": sealed})


def decode(raw: bytes, name: str, kind: type[Artifact]) -> tuple[Artifact, Origin]:
    """The artifact of that name and kind, and what it was made from.

    Raises: StoreError when the bytes are truncated, altered, of another version or another artifact's, or hold what
    can't be, such as NaN.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - only when something is read
    from safetensors.numpy import load  # noqa: PLC0415

    try:
        arrays = load(raw)
        sealed = json.loads(_metadata(raw)["renderer"])
        record = sealed["record"]
        whole = sealed["digest"] == digest(record, arrays)
        parsed = json.loads(record)
    except (SafetensorError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise StoreError("an artifact can't be read", why=str(error)) from error
    if not whole:
        raise StoreError("an artifact doesn't match its digest", why="its bytes changed since they were written")
    if parsed["version"] != FORMAT_VERSION:
        raise StoreError(f"an artifact is of format {parsed['version']}, this renderer reads {FORMAT_VERSION}")
    try:
        origin = from_json(Origin, parsed["made_by"])
        # Version 0.1.0 told its name only there.
        found = str(parsed.get("name", f"{origin.stage}/{origin.key}"))
        if found != name:
            raise StoreError(f"an artifact lies under the name of another: it is `{found}`", why="files were swapped")
        artifact = from_json(kind, parsed["content"] | arrays | {"notes": parsed["notes"]})
    except (JsonError, KeyError, TypeError) as error:
        raise StoreError("an artifact is of another version", why=str(error)) from error
    if fault := artifact.fault:
        raise StoreError("an artifact holds what can't be", why=fault)
    return artifact, origin


def digest(record: str, arrays: Arrays) -> str:
    """SHA-256 over the record and every array's name, dtype, shape and bytes."""
    import numpy as np  # noqa: PLC0415 - as above

    sha = hashlib.sha256(record.encode())
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def _metadata(raw: bytes) -> Mapping[str, str]:
    length = int.from_bytes(raw[:8], "little")
    metadata: Mapping[str, str] = json.loads(raw[8 : 8 + length])["__metadata__"]
    return metadata
