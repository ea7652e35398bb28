"""Tensors on disk into modules: memory-mapped, strict, in the asked dtype on the asked device, with no second copy.

A module built without memory and a table of where its tensors lie go in; knows nothing of layouts.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from renderer.errors import ModelError
from renderer.models.ace_step.checkpoints.stored import entries
from renderer.models.kernels.staging import Range, read_to_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from renderer.models.ace_step.checkpoints.stored import Stored

ALIGNMENT = 64  # bytes: kernels add up in another order from elsewhere, so equal weights would sound unequal by a bit
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def fill(
    module: nn.Module,
    tensors: Mapping[str, Stored],
    *,
    dtype: torch.dtype,
    device: torch.device,
    ready: Mapping[str, Tensor],
) -> None:
    """Give `module`, built on the meta device, its tensors; `ready` are those that need no reading.

    On the CPU, in the dtype of the file, a tensor that lies aligned stays the mapped file; others are copied once. To a
    CUDA device they go through pinned buffers.

    The names and shapes are those of the module, as `stored.compare` holds them against each other.
    """
    staged = device.type == "cuda" and hasattr(os, "preadv")  # which Windows lacks
    read = _read_staged if staged else _read_mapped
    state = {name: tensor.to(device=device, dtype=dtype) for name, tensor in ready.items()}
    for name, tensor in read(tensors, device):
        moved = tensor.to(device=device, dtype=dtype)
        state[name] = moved if moved.data_ptr() % ALIGNMENT == 0 else moved.clone()
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(requires_grad=False).eval()


def _read_mapped(tensors: Mapping[str, Stored], device: torch.device) -> Iterator[tuple[str, Tensor]]:  # noqa: ARG001 - one of two ways to read
    with ExitStack() as opened:
        files = {path: opened.enter_context(_open(path)) for path in {stored.path for stored in tensors.values()}}
        for name, stored in tensors.items():
            yield name, files[stored.path].get_tensor(stored.name)


def _read_staged(tensors: Mapping[str, Stored], device: torch.device) -> Iterator[tuple[str, Tensor]]:
    found, ranges = entries(tensors.values()), []
    targets = {}
    for name, stored in tensors.items():
        entry = found[stored]
        targets[name] = torch.empty(entry.shape, dtype=DTYPES[entry.dtype], device=device)
        ranges.append(Range(path=stored.path, start=entry.start, target=targets[name].view(-1).view(torch.uint8)))
    read_to_device(ranges, device)
    while targets:
        # Handed on one by one: where the dtype changes, the file's own is not held any longer than needed.
        yield targets.popitem()


def read_tensor(stored: Stored) -> Tensor:
    """One tensor.

    Raises: ModelError when its file is no safetensors.
    """
    with _open(stored.path) as opened:
        found: Tensor = opened.get_tensor(stored.name)
        return found


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a small safetensors file.

    Raises: ModelError when it is none.
    """
    with _open(path) as opened:
        return {name: opened.get_tensor(name) for name in _keys(opened)}


def num_bytes(module: nn.Module) -> int:
    """What a module's weights and buffers occupy."""
    return sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


def _open(path: Path) -> safe_open:
    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"`{path}` can't be read as safetensors", why=str(error), help="fetch the model again"
        ) from error


def _keys(opened: Any) -> list[str]:
    return list(opened.keys())
