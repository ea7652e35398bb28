"""Ways in which a file of a checkpoint is broken, one at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load, save_file

from renderer.models.ace_step.checkpoints.reads import context_files, files_of
from renderer.models.ace_step.stages import FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:9f2c\nsize 1342177280\n"
PAGE = "\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"


def read_files(files: ModelFiles) -> dict[Path, str]:
    """Every file that a set is read from, or that is looked at, with a part that needs it."""
    found: dict[Path, str] = {}
    for part in FAMILY.parts:
        for one in (*files_of(part, files), *context_files(part, files)):
            found.setdefault(one.path, part)
    return found


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_by_one(path: Path) -> None:
    # Of a text, the last byte that means something.
    content = path.read_bytes()
    path.write_bytes((content if path.suffix == ".safetensors" else content.rstrip())[:-1])


def cut_by_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_page(path: Path) -> None:
    path.write_text(PAGE)


def make_pointer(path: Path) -> None:
    path.write_text(LFS)


def make_pipe(path: Path) -> None:
    import os

    path.unlink()
    os.mkfifo(path)


def link_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone")


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


ANY_FILE: Mapping[str, Callable[[Path], None]] = {
    "missing": remove,
    "empty": empty,
    "cut by one byte": cut_by_one,
    "cut by half": cut_by_half,
    "a folder": make_folder,
    "a web page": make_page,
    "a Git LFS pointer": make_pointer,
    "a named pipe": make_pipe,
    "a dead link": link_nowhere,
    "a link to itself": link_to_itself,
    "nothing but zeros": zeros,
}


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0\0\0")


def length_byte(place: int) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 1 << (place % 8)
        path.write_bytes(content)

    return flip


def in_header(change: Callable[[dict[str, dict[str, object]], str], None]) -> Callable[[Path], None]:
    """The header changed at its first tensor, all else left as it is."""

    def rewrite(path: Path) -> None:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        change(header, min(name for name in header if name != "__metadata__"))
        written = json.dumps(header).encode()
        path.write_bytes(len(written).to_bytes(8, "little") + written + content[8 + length :])

    return rewrite


def rename(header: dict[str, dict[str, object]], name: str) -> None:
    header[name[:-1] + chr(ord(name[-1]) ^ 1)] = header.pop(name)


def first_size(header: dict[str, dict[str, object]], name: str) -> None:
    shape = header[name]["shape"]
    assert isinstance(shape, list)
    shape[0] += 1


def turned(header: dict[str, dict[str, object]], name: str) -> None:
    """The same numbers in another shape."""
    shape = header[name]["shape"]
    assert isinstance(shape, list)
    header[name]["shape"] = [1, *shape]


def dtype(value: object) -> Callable[[dict[str, dict[str, object]], str], None]:
    return lambda header, name: header[name].update(dtype=value)


def offsets(move: int, stretch: int) -> Callable[[dict[str, dict[str, object]], str], None]:
    def change(header: dict[str, dict[str, object]], name: str) -> None:
        begin, end = header[name]["data_offsets"]  # type: ignore[misc]
        header[name]["data_offsets"] = [begin + move, end + move + stretch]

    return change


def lost(header: dict[str, dict[str, object]], name: str) -> None:
    header.pop(name)


def of_words(header: dict[str, dict[str, object]], name: str) -> None:
    header[name]["shape"] = [str(size) for size in header[name]["shape"]]  # type: ignore[attr-defined]


HEADER: Mapping[str, Callable[[Path], None]] = {
    **{f"byte {place} of the header's length": length_byte(place) for place in range(8)},
    "too long": longer,
    "a name": in_header(rename),
    "a size": in_header(first_size),
    "a shape of the same numbers": in_header(turned),
    "sizes as text": in_header(of_words),
    "an unknown dtype": in_header(dtype("F33")),
    "a dtype of another width": in_header(dtype("F64")),
    "whole numbers": in_header(dtype("I32")),
    "no dtype": in_header(dtype(None)),
    "offsets moved": in_header(offsets(4, 0)),
    "an offset stretched": in_header(offsets(0, 4)),
    "negative offsets": in_header(offsets(-4, 0)),
    "a tensor lost": in_header(lost),
}


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    """Read whole, so that the file can be written over."""
    return load(path.read_bytes())


def saved_as(kind: torch.dtype) -> Callable[[Path], None]:
    """One tensor of the file in another dtype, the file whole."""

    def rewrite(path: Path) -> None:
        tensors = tensors_of(path)
        name = min(tensors)
        tensors[name] = tensors[name].to(kind)
        save_file(tensors, path)

    return rewrite


def reshaped(path: Path) -> None:
    tensors = tensors_of(path)
    name = min(tensors)
    tensors[name] = torch.zeros(*tensors[name].shape, 2)
    save_file(tensors, path)


SAVED: Mapping[str, Callable[[Path], None]] = {
    "another tensor's shape": reshaped,
    "fp8": saved_as(torch.float8_e4m3fn),
    "int8": saved_as(torch.int8),
    "float64": saved_as(torch.float64),
    "int64": saved_as(torch.int64),
}
SOUND: Mapping[str, Callable[[Path], None]] = {
    "fp32": saved_as(torch.float32),
    "fp16": saved_as(torch.float16),
    "bf16": saved_as(torch.bfloat16),
}
