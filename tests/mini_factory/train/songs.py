"""Songs for training: composer processes fill memory with sound while the device already learns from it."""

from __future__ import annotations

import queue
import threading
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.facts import SAMPLE_RATE, SAMPLES_PER_LATENT
from tests.mini_factory.composer.farm import FULL_SCALE, write_song
from tests.mini_factory.composer.song import draw
from tests.mini_factory.train.shards import is_held_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

SONGS_AHEAD = 400
ROOM_SECONDS = 0.5
ORDERS_AT_ONCE = 4
SOFTER_SHARE = 0.25
"""Crops that aren't at their own level: fades and quiet sections are rarer in songs."""


def played(
    seeds: Sequence[int],
    *,
    folder: Path,
    workers: int,
    write: Callable[[tuple[int, str]], tuple[int, str]] = write_song,
    ahead: int | None = None,
) -> Iterator[tuple[int, npt.NDArray[np.int16]]]:
    """(seed, int16 [samples, 2]) as composer processes finish what `write` plays of each, in no order.

    They are so far ahead at most (`SONGS_AHEAD` if not told): left alone they fill any disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    room, over = threading.Semaphore(SONGS_AHEAD if ahead is None else ahead), threading.Event()

    def orders() -> Iterator[tuple[int, str]]:
        for seed in seeds:
            # This runs in the pool's own thread, which whoever ends the pool waits for, and so does a failed program.
            while not room.acquire(timeout=ROOM_SECONDS):
                if over.is_set() or not threading.main_thread().is_alive():
                    return
            yield seed, str(folder)

    with get_context("spawn").Pool(workers) as pool:
        try:
            for seed, path in pool.imap_unordered(write, orders(), chunksize=ORDERS_AT_ONCE):
                raw = np.fromfile(path, dtype=np.int16).reshape(-1, 2)
                Path(path).unlink()
                room.release()
                yield seed, raw
        finally:
            over.set()


class SongPool:
    """Sound of many songs in one flat tensor on the device, growing from behind while it is used.

    A thread reads what composer processes finish; only the caller's thread touches the device, as a CUDA graph that is
    being recorded allows no other.
    """

    def __init__(self, seeds: Sequence[int], *, device: str, folder: Path, workers: int) -> None:
        pieces = [draw(seed) for seed in seeds]
        room = sum(piece.duration for piece in pieces) * SAMPLE_RATE
        self.sound = torch.zeros(room, 2, dtype=torch.int16, device=device)
        self.total = len(pieces)
        self.seeds: list[int] = []
        self.spans: list[tuple[int, int]] = []
        """First sample and number of samples, in the order of `seeds`."""
        self.taught = torch.zeros(0, 2, dtype=torch.long, device=device)
        """The spans that crops are drawn from; held-out songs aren't among them."""
        self._arrived: queue.SimpleQueue[tuple[int, npt.NDArray[np.int16]] | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(list(seeds), folder, workers), daemon=True).start()

    def _read(self, seeds: list[int], folder: Path, workers: int) -> None:
        try:
            for arrival in played(seeds, folder=folder, workers=workers):
                self._arrived.put(arrival)
        except BaseException as error:  # noqa: BLE001 - told where the songs are waited for
            self._arrived.put(error)

    def wait(self, num_songs: int) -> None:
        """Until that many songs are there."""
        while len(self.seeds) < min(num_songs, self.total):
            self._take_in(self._arrived.get())
        self._list_spans()

    def take_in(self) -> None:
        """Whatever has arrived, without waiting."""
        known = len(self.seeds)
        while not self._arrived.empty():
            self._take_in(self._arrived.get())
        if len(self.seeds) > known:
            self._list_spans()

    def _take_in(self, arrived: tuple[int, npt.NDArray[np.int16]] | BaseException) -> None:
        if isinstance(arrived, BaseException):
            raise arrived
        seed, raw = arrived
        start = sum(self.spans[-1]) if self.spans else 0
        self.sound[start : start + len(raw)] = torch.from_numpy(raw).to(self.sound.device)
        self.seeds.append(seed)
        self.spans.append((start, len(raw)))

    def _list_spans(self) -> None:
        taught = [span for seed, span in zip(self.seeds, self.spans, strict=True) if not is_held_out(seed)]
        self.taught = torch.tensor(taught, device=self.sound.device)

    def crops(self, batch: int, num_frames: int) -> torch.Tensor:
        """Random stretches from whole latent frames on, float32 [batch, 2, num_frames · 1,920]; some softer.

        The composer's tones and hits keep to a grid of latent frames, and songs are encoded from their beginning: so
        other places are never heard.
        """
        self.take_in()
        device = self.sound.device
        chosen = self.taught[torch.randint(len(self.taught), (batch,), device=device)]
        length = num_frames * SAMPLES_PER_LATENT
        room = (chosen[:, 1] - length) // SAMPLES_PER_LATENT + 1
        frame = (torch.rand(batch, device=device) * room).long()
        softer = (torch.rand(batch, 1, 1, device=device) < SOFTER_SHARE) * torch.rand(batch, 1, 1, device=device)
        return self._cut(chosen[:, 0] + frame * SAMPLES_PER_LATENT, length) * (1 - 0.7 * softer)

    def exam_crops(self, batch: int, num_frames: int) -> torch.Tensor:
        """The same stretches at every call, of held-out songs (of any, while there are none): [batch, 2, samples]."""
        held = [span for seed, span in zip(self.seeds, self.spans, strict=True) if is_held_out(seed)] or self.spans[:1]
        length = num_frames * SAMPLES_PER_LATENT
        chosen = [held[row % len(held)] for row in range(batch)]
        places = [
            start + (samples - length) * (row + 1) // (batch + 1) // SAMPLES_PER_LATENT * SAMPLES_PER_LATENT
            for row, (start, samples) in enumerate(chosen)
        ]
        return self._cut(torch.tensor(places, device=self.sound.device), length)

    def _cut(self, first: torch.Tensor, length: int) -> torch.Tensor:
        span = torch.arange(length, device=first.device)
        return (self.sound[first[:, None] + span].float() / FULL_SCALE).transpose(1, 2)

    def song(self, index: int) -> torch.Tensor:
        """A whole song, float32 [2, samples]."""
        start, samples = self.spans[index]
        return self.sound[start : start + samples].float().T / FULL_SCALE
