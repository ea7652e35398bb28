"""Encoded songs on disk: latents and codes by seed, in files that appear whole and are read as they come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One song as the models see it."""

    seed: int
    latents: torch.Tensor
    """float16 [frames, channels], five frames a code."""
    codes: torch.Tensor
    """int16 [codes]."""


def write_shard(folder: Path, number: int, songs: list[Encoded]) -> None:
    """Write `songs` as one file; readers see it whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    rough = folder / f"{number:05d}.part"
    tensors = {
        "seeds": torch.tensor([song.seed for song in songs]),
        "lengths": torch.tensor([len(song.codes) for song in songs]),
        "latents": torch.cat([song.latents for song in songs]).cpu(),
        "codes": torch.cat([song.codes for song in songs]).cpu(),
    }
    save_file(tensors, rough)
    rough.rename(folder / f"{number:05d}.safetensors")


def read_shard(path: Path) -> Iterator[Encoded]:
    """The songs of one file."""
    tensors = load_file(path)
    at = 0
    for seed, length in zip(tensors["seeds"].tolist(), tensors["lengths"].tolist(), strict=True):
        latents = tensors["latents"][5 * at : 5 * (at + length)]
        yield Encoded(seed=seed, latents=latents, codes=tensors["codes"][at : at + length])
        at += length


class ShardReader:
    """Hands out each file of a folder once, in order, also those that appear later."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[str] = set()

    def new_songs(self) -> Iterator[Encoded]:
        """Songs of files not handed out yet."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self.seen:
                self.seen.add(path.name)
                yield from read_shard(path)

    def first_songs(self, patience_seconds: float) -> Iterator[Encoded]:
        """As `new_songs`, after waiting for a first file.

        Raises: TimeoutError when none comes.
        """
        end = time.monotonic() + patience_seconds
        while not any(self.folder.glob("*.safetensors")):
            if time.monotonic() > end:
                raise TimeoutError(f"no encoded songs in {self.folder}")
            time.sleep(0.2)
        yield from self.new_songs()
