"""Safetensors files whose tensors lie on 64-byte boundaries, so that mapped weights are computed with where they are.

In: a file. Out: the same tensors in another order, as the format allows. Source: huggingface/safetensors, README.md
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

if TYPE_CHECKING:
    from pathlib import Path

ALIGNMENT = 64  # bytes: the widest vector registers
_NAMES = {"torch.float32": "F32", "torch.bfloat16": "BF16", "torch.float16": "F16", "torch.int64": "I64"}


def align_file(path: Path) -> None:
    """Write the file's tensors anew: whole multiples of 64 bytes first, the few odd ones last."""
    import torch

    with safe_open(path, framework="pt") as opened:
        metadata = opened.metadata() or {}
        tensors = {name: opened.get_tensor(name).contiguous().clone() for name in opened.keys()}  # noqa: SIM118 - not a dict
    ordered = sorted(tensors, key=lambda name: (tensors[name].nbytes % ALIGNMENT != 0, name))
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name in ordered:
        tensor = tensors[name]
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _NAMES[str(tensor.dtype)], "shape": list(tensor.shape), "data_offsets": [start, end]}
    written = json.dumps(header, separators=(",", ":")).encode()
    written += b" " * (-(8 + len(written)) % ALIGNMENT)
    with path.open("wb") as opened:
        opened.write(len(written).to_bytes(8, "little") + written)
        for name in ordered:
            opened.write(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
