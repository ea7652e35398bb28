"""Artifacts <-> self-verifying safetensors bytes: arrays as tensors, the rest as a JSON record, a digest over both."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from renderer.artifacts import Codes, Cot, CotMetas, Latents, fault_of
from renderer.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Arrays = Mapping[str, npt.NDArray[Any]]
    Stored = Cot | Codes | Latents

FORMAT_VERSION = 1


def encode(artifact: Stored, made_by: Mapping[str, Any], name: str) -> bytes:
    """The artifact with its name, `stage/key`, and how it was made (request, environment, …) as safetensors bytes."""
    from safetensors.numpy import save  # noqa: PLC0415 - only when something is stored

    content, arrays = _split(artifact)
    record = json.dumps(
        {
            "version": FORMAT_VERSION,
            "name": name,
            "content": content,
            "notes": dict(artifact.notes),
            "made_by": dict(made_by),
        },
        sort_keys=True,
        ensure_ascii=False,
    )
    # One entry: safetensors writes several in an order of its own, and equal artifacts are equal files.
    sealed = json.dumps({"digest": digest(record, arrays), "record": record}, ensure_ascii=False)
    return save(dict(arrays), metadata={"renderer": sealed})


def decode(raw: bytes, name: str) -> tuple[Stored, Mapping[str, Any]]:
    """The artifact of that name, and how it was made.

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
    made_by = parsed["made_by"]
    if (found := _name(parsed)) != name:
        raise StoreError(f"an artifact lies under the name of another: it is `{found}`", why="files were swapped")
    artifact = _join(parsed["content"], parsed["notes"], arrays)
    if fault := fault_of(artifact):
        raise StoreError("an artifact holds what can't be", why=fault)
    return artifact, made_by


def _name(parsed: Mapping[str, Any]) -> str:
    # Version 0.1.0 told it among how the artifact was made.
    made_by = parsed["made_by"]
    return str(parsed.get("name", f"{made_by.get('stage')}/{made_by.get('key')}"))


def digest(record: str, arrays: Arrays) -> str:
    """SHA-256 over the record and every array's name, dtype, shape and bytes."""
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


def _split(artifact: Stored) -> tuple[Mapping[str, Any], Arrays]:
    match artifact:
        case Cot():
            # safetensors wants at least the header; a chain of thought has no arrays.
            return {"kind": "cot", "text": artifact.text, "metas": asdict(artifact.metas)}, {}
        case Codes():
            return {"kind": "codes"}, {"codes": np.ascontiguousarray(artifact.codes, dtype=np.int32)}
        case Latents():
            return {"kind": "latents"}, {"frames": np.ascontiguousarray(artifact.frames, dtype=np.float32)}


def _join(content: Mapping[str, Any], notes: Mapping[str, Any], arrays: Arrays) -> Stored:
    match content["kind"]:
        case "cot":
            return Cot(text=content["text"], metas=CotMetas(**content["metas"]), notes=notes)
        case "codes":
            return Codes(codes=arrays["codes"], notes=notes)
        case "latents":
            return Latents(frames=arrays["frames"], notes=notes)
        case kind:
            raise StoreError(f"an artifact of unknown kind `{kind}`")
