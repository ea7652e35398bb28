"""Songs for training: composer processes fill memory with sound while the device already learns from it."""

from __future__ import annotations

import threading
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.models.ace_step.mini.composer.farm import FULL_SCALE, write_song
from renderer.models.ace_step.mini.composer.song import Piece, draw
from renderer.song import SAMPLE_RATE, SAMPLES_PER_LATENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt


def played(seeds: Sequence[int], *, folder: Path, workers: int) -> Iterator[tuple[int, npt.NDArray[np.int16]]]:
    """(seed, int16 [samples, 2]) as composer processes finish them, in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    orders = ((seed, str(folder)) for seed in seeds)
    with get_context("spawn").Pool(workers) as pool:
        for seed, path in pool.imap_unordered(write_song, orders, chunksize=4):
            raw = np.fromfile(path, dtype=np.int16).reshape(-1, 2)
            Path(path).unlink()
            yield seed, raw


class SongPool:
    """Sound of many songs in one flat tensor on the device, growing from behind while it is used."""

    def __init__(self, seeds: Sequence[int], *, device: str, folder: Path, workers: int) -> None:
        self.pieces: list[Piece] = []
        self.starts: list[int] = []
        pieces = [draw(seed) for seed in seeds]
        room = sum(piece.duration for piece in pieces) * SAMPLE_RATE
        self.sound = torch.zeros(room, 2, dtype=torch.int16, device=device)
        self.total = len(pieces)
        self.ready = threading.Condition()
        self._feeder = threading.Thread(target=self._fill, args=(list(seeds), folder, workers), daemon=True)
        self._feeder.start()

    def _fill(self, seeds: list[int], folder: Path, workers: int) -> None:
        at = 0
        for seed, raw in played(seeds, folder=folder, workers=workers):
            self.sound[at : at + len(raw)] = torch.from_numpy(raw).to(self.sound.device)
            with self.ready:
                self.pieces.append(draw(seed))
                self.starts.append(at)
                self.ready.notify_all()
            at += len(raw)

    def wait(self, num_songs: int) -> None:
        """Until that many songs are there."""
        with self.ready:
            self.ready.wait_for(lambda: len(self.starts) >= min(num_songs, self.total))

    def crops(self, batch: int, num_frames: int, rng: np.random.Generator) -> torch.Tensor:
        """Random stretches, float32 [batch, 2, num_frames · 1,920], at random gains, sides now and then swapped."""
        length = num_frames * SAMPLES_PER_LATENT
        songs = rng.integers(0, len(self.starts), batch)
        at = [
            self.starts[song] + int(rng.integers(0, self.pieces[song].duration * SAMPLE_RATE - length))
            for song in songs
        ]
        gains = rng.uniform(0.3, 1.1, batch).astype(np.float32) / FULL_SCALE
        device = self.sound.device
        span = torch.arange(length, device=device)
        cut = self.sound[torch.tensor(at, device=device)[:, None] + span].float()
        cut = cut * torch.from_numpy(gains).to(device)[:, None, None]
        if rng.random() < 0.5:
            cut = cut.flip(2)
        return cut.transpose(1, 2)

    def song(self, index: int) -> torch.Tensor:
        """A whole song, float32 [2, samples]."""
        start = self.starts[index]
        return self.sound[start : start + self.pieces[index].duration * SAMPLE_RATE].float().T / FULL_SCALE
