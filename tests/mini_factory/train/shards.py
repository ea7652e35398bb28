"""Encoded songs on disk: latents and codes by seed, in files that appear whole and are prepared as they come.

Imports no torch: worker processes read shards and prepare their texts while the device learns.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from safetensors.numpy import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    import numpy.typing as npt

log = logging.getLogger(__name__)

HELD_OUT_EVERY = 40

Prepared = TypeVar("Prepared")


def is_held_out(seed: int) -> bool:
    """Whether the composer's song of that seed is for exams only, in every stage."""
    return seed % HELD_OUT_EVERY == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One song as the models see it."""

    seed: int
    latents: npt.NDArray[np.float16]
    """[frames, channels], five frames a code."""
    codes: npt.NDArray[np.int16]
    """[codes]."""


def write_shard(folder: Path, number: int, songs: list[Encoded]) -> None:
    """Write `songs` as one file; readers see it whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    rough = folder / f"{number:05d}.part"
    tensors = {
        "seeds": np.array([song.seed for song in songs]),
        "lengths": np.array([len(song.codes) for song in songs]),
        # safetensors writes memory as it lies: latents that come transposed from the encoder would be scrambled.
        "latents": np.ascontiguousarray(np.concatenate([song.latents for song in songs])),
        "codes": np.concatenate([song.codes for song in songs]),
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


class ShardReader(Generic[Prepared]):
    """Hands out each file of a folder once, as `prepare` makes it in a worker process; also files that appear later."""

    def __init__(self, folder: Path, prepare: Callable[[Path], Prepared], workers: int) -> None:
        self.folder, self.prepare = folder, prepare
        self.pool = ProcessPoolExecutor(workers, get_context("spawn"))
        self.seen: set[str] = set()
        self.waiting: list[Future[Prepared]] = []

    def ready(self) -> Iterator[Prepared]:
        """What is prepared by now; doesn't wait."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self.seen:
                self.seen.add(path.name)
                self.waiting.append(self.pool.submit(self.prepare, path))
        done = [future for future in self.waiting if future.done()]
        self.waiting = [future for future in self.waiting if future not in done]
        for future in done:
            yield future.result()

    def first(self, patience_seconds: float, least: int = 1) -> Iterator[Prepared]:
        """As `ready`, after waiting for that many files; for as many as came when patience is over.

        Raises: TimeoutError when none came.
        """
        end = time.monotonic() + patience_seconds
        found: list[Prepared] = []
        while len(found) < least:
            found += self.ready()
            if time.monotonic() > end:
                if not found:
                    raise TimeoutError(f"no encoded songs in {self.folder}")
                log.info("%d files of encoded songs, not %d", len(found), least)
                break
            time.sleep(0.2)
        yield from found

    def close(self) -> None:
        """End the workers."""
        self.pool.shutdown(cancel_futures=True)
