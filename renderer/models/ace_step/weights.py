"""Tensors on disk into modules: memory-mapped, strict, in the asked dtype on the asked device, with no second copy.

A module built without memory and a table of where its tensors lie go in; knows nothing of layouts.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from renderer.errors import ModelError
from renderer.models.ace_step.staging import Range, read_to_device
from renderer.models.layouts import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor, nn

ALIGNMENT = 64  # bytes: kernels add up in another order from elsewhere, so equal weights would sound unequal by a bit
DTYPES = {
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "I64": torch.int64,
    "I32": torch.int32,
}
MOST_NAMED = 5  # tensors that a message names before it says how many more there are


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a tensor lies: a safetensors file and its name in there."""

    path: Path
    name: str


def stored_tensors(folder: Path, stem: str) -> dict[str, Stored]:
    """Every tensor of `<stem>.safetensors`, or of the shards its index names.

    Raises: ModelError when neither is there, a shard is missing, or a file is no safetensors.
    """
    index = folder / f"{stem}.safetensors.index.json"
    single = folder / f"{stem}.safetensors"
    if single.is_file():
        return {name: Stored(path=single, name=name) for name in _names(single)}
    if not index.is_file():
        raise ModelError(
            f"`{single}` is missing",
            why="there is no index of shards either",
            help="fetch the model again: renderer models fetch",
        )
    shards = read_json(index).get("weight_map", {})
    for shard in sorted(set(shards.values())):
        if not (folder / shard).is_file():
            raise ModelError(f"`{folder / shard}` is missing", why=f"`{index}` names it", help="fetch the model again")
    return {name: Stored(path=folder / shard, name=name) for name, shard in shards.items()}


def check(module: nn.Module, tensors: Mapping[str, Stored], ready: Mapping[str, Tensor]) -> None:
    """Compare what `module` (on the meta device) expects with what the files' headers say; reads no weights.

    Raises: ModelError naming every missing, surplus or misshaped tensor.
    """
    expected = module.state_dict()
    _check_names(set(expected), set(tensors) | set(ready), _place(tensors))
    entries = _entries(tensors)
    for name, stored in tensors.items():
        _check_shape(name, stored, entries[stored].shape, tuple(expected[name].shape))


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

    Raises: ModelError naming every missing, surplus or misshaped tensor.
    """
    check(module, tensors, ready)
    staged = device.type == "cuda" and hasattr(os, "preadv")  # which Windows lacks
    read = _read_staged if staged else _read_mapped
    state = {name: tensor.to(device=device, dtype=dtype) for name, tensor in ready.items()}
    for name, tensor in read(tensors, device):
        moved = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else tensor.dtype)
        state[name] = moved if moved.data_ptr() % ALIGNMENT == 0 else moved.clone()
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(requires_grad=False).eval()


def _read_mapped(tensors: Mapping[str, Stored], device: torch.device) -> Iterator[tuple[str, Tensor]]:  # noqa: ARG001 - one of two ways to read
    with ExitStack() as opened:
        files = {path: opened.enter_context(_open(path)) for path in {stored.path for stored in tensors.values()}}
        for name, stored in tensors.items():
            yield name, files[stored.path].get_tensor(stored.name)


def _read_staged(tensors: Mapping[str, Stored], device: torch.device) -> Iterator[tuple[str, Tensor]]:
    entries, ranges = _entries(tensors), []
    targets = {}
    for name, stored in tensors.items():
        entry = entries[stored]
        targets[name] = torch.empty(entry.shape, dtype=entry.dtype, device=device)
        ranges.append(Range(path=stored.path, start=entry.start, target=targets[name].view(-1).view(torch.uint8)))
    read_to_device(ranges, device)
    while targets:
        # Handed on one by one: where the dtype changes, the file's own is not held any longer than needed.
        yield targets.popitem()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A tensor as its file's header describes it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    start: int
    """Of its bytes, in the file."""


def _entries(tensors: Mapping[str, Stored]) -> dict[Stored, _Entry]:
    headers = {path: _header(path) for path in {stored.path for stored in tensors.values()}}
    return {stored: _entry(stored, *headers[stored.path]) for stored in tensors.values()}


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """A file's header and where its tensors begin."""
    _names(path)  # safetensors itself says whether it is one
    with path.open("rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        return json.loads(opened.read(size)), 8 + size


def _entry(stored: Stored, header: Mapping[str, Any], begin: int) -> _Entry:
    found = header[stored.name]
    if found["dtype"] not in DTYPES:
        raise ModelError(
            f"tensor `{stored.name}` in `{stored.path}` is {found['dtype']}",
            why=f"read are {', '.join(DTYPES)}",
            help="fetch the published weights, which are none of the quantised ones",
        )
    return _Entry(
        shape=tuple(found["shape"]), dtype=DTYPES[found["dtype"]], start=begin + int(found["data_offsets"][0])
    )


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


def _names(path: Path) -> list[str]:
    with _open(path) as opened:
        return _keys(opened)


def _keys(opened: Any) -> list[str]:
    return list(opened.keys())


def _place(tensors: Mapping[str, Stored]) -> str:
    return ", ".join(sorted({str(stored.path) for stored in tensors.values()})[:MOST_NAMED])


def _check_names(expected: set[str], found: set[str], where: str) -> None:
    if missing := expected - found:
        raise ModelError(
            f"tensors are missing: {named(missing)}",
            why=f"the model's classes expect them in {where}",
            help="fetch the model again, or check that it is an ACE-Step 1.5 checkpoint",
        )
    if surplus := found - expected:
        raise ModelError(
            f"tensors have no place in the model: {named(surplus)}",
            why=f"they lie in {where}; dropping them could drop part of the model",
            help="check that it is an ACE-Step 1.5 checkpoint",
        )


def _check_shape(name: str, stored: Stored, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise ModelError(
            f"tensor `{name}` has the shape {found}, expected is {expected}",
            why=f"`{stored.path}` and the config beside it don't belong together",
            help="fetch the model again",
        )


def named(names: Iterable[str]) -> str:
    """The first few names in alphabetical order, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MOST_NAMED} more" if len(ordered) > MOST_NAMED else ""
    return ", ".join(f"`{name}`" for name in ordered[:MOST_NAMED]) + more
