"""Tensors on disk into modules: memory-mapped, strict, in the asked dtype on the asked device, with no second copy.

A module built without memory and a table of where its tensors lie go in; knows nothing of layouts.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from renderer.errors import ModelError
from renderer.models.layouts import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import torch
    from torch import Tensor, nn

ALIGNMENT = 64  # bytes: kernels add up in another order from elsewhere, so equal weights would sound unequal by a bit
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


def fill(
    module: nn.Module,
    tensors: Mapping[str, Stored],
    *,
    dtype: torch.dtype,
    device: torch.device,
    ready: Mapping[str, Tensor],
) -> None:
    """Give `module`, built on the meta device, its tensors; `ready` are those that need no reading.

    On the CPU, in the dtype of the file, a tensor that lies aligned stays the mapped file; others are copied once.

    Raises: ModelError naming every missing, surplus or misshaped tensor.
    """
    expected = module.state_dict()
    where = _place(tensors)
    _check_names(set(expected), set(tensors) | set(ready), where)
    state = {name: tensor.to(device=device, dtype=dtype) for name, tensor in ready.items()}
    with ExitStack() as opened:
        files = {path: opened.enter_context(_open(path)) for path in {stored.path for stored in tensors.values()}}
        for name, stored in tensors.items():
            tensor = files[stored.path].get_tensor(stored.name)
            _check_shape(name, stored, tensor, expected[name])
            moved = tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else tensor.dtype)
            state[name] = moved if moved.data_ptr() % ALIGNMENT == 0 else moved.clone()
    module.load_state_dict(state, strict=True, assign=True)
    module.requires_grad_(requires_grad=False).eval()


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
            f"tensors are missing: {_named(missing)}",
            why=f"the model's classes expect them in {where}",
            help="fetch the model again, or check that it is an ACE-Step 1.5 checkpoint",
        )
    if surplus := found - expected:
        raise ModelError(
            f"tensors have no place in the model: {_named(surplus)}",
            why=f"they lie in {where}; dropping them could drop part of the model",
            help="check that it is an ACE-Step 1.5 checkpoint",
        )


def _check_shape(name: str, stored: Stored, found: Tensor, expected: Tensor) -> None:
    if found.shape != expected.shape:
        raise ModelError(
            f"tensor `{name}` has the shape {tuple(found.shape)}, expected is {tuple(expected.shape)}",
            why=f"`{stored.path}` and the config beside it don't belong together",
            help="fetch the model again",
        )


def _named(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - MOST_NAMED} more" if len(ordered) > MOST_NAMED else ""
    return ", ".join(f"`{name}`" for name in ordered[:MOST_NAMED]) + more
