"""Benchmark: songs per minute of the engine and of transformers' `generate`, alternating, on this machine's CPU.

    python -m tests.bench.lm_cpu [FOLDER]

Prints a table; writes lm_cpu.json into FOLDER.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch

from renderer.models.ace_step.engine import decode_all
from renderer.models.ace_step.launch import eagerly
from tests.bench.lm_subjects import SIZES, Nobody, engine_of, plainly, random_model, songs

CPU = torch.device("cpu")
NUM_SONGS, SECONDS, ROUNDS = 8, 30, 2


def main(folder: Path | None, size: str = "mid") -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    plain = random_model(SIZES[size], CPU, torch.float32)
    lm = engine_of(random_model(SIZES[size], CPU, torch.float32), CPU, torch.float32, eagerly)
    wanted = songs([SECONDS] * NUM_SONGS)
    measured: dict[str, list[float]] = {}

    def measure(name: str, work: Any) -> None:
        began = time.perf_counter()
        work()
        measured.setdefault(name, []).append(time.perf_counter() - began)

    def engine(num_songs: int, num_slots: int) -> None:
        results = list(decode_all(lm, wanted[:num_songs], num_slots, 2**40, Nobody()))
        assert len(results) == num_songs, results

    for _ in range(ROUNDS):
        measure("engine, 8 songs, 4 slots", lambda: engine(NUM_SONGS, 4))
        measure("generate, one song at a time", lambda: [plainly(plain, song) for song in wanted])
        measure("engine, a lone song, 4 slots", lambda: engine(1, 4))
        measure("engine, a lone song, 1 slot", lambda: engine(1, 1))
    rows = [(name, min(seconds), 1 if "lone" in name else NUM_SONGS) for name, seconds in measured.items()]
    print(f"LM {size}, vocabulary 217,204, float32, {SECONDS} s a song, {torch.get_num_threads()} threads,", end=" ")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, best of {ROUNDS}\n")
    print(f"{'':32}{'seconds':>9}{'songs a minute':>16}")
    for name, seconds, num_songs in rows:
        print(f"{name:32}{seconds:9.1f}{60 * num_songs / seconds:16.1f}")
    best = {name: seconds for name, seconds, _ in rows}
    ratio = best["generate, one song at a time"] / best["engine, 8 songs, 4 slots"]
    lone = best["engine, a lone song, 4 slots"] / best["engine, a lone song, 1 slot"]
    print(f"\nengine against generate: {ratio:.1f} x; a lone song with 4 slots against 1 slot: {lone:.2f} x the time")
    if folder is not None:
        report = {"size": size, "seconds": measured, "ratio": ratio, "lone": lone, "date": time.strftime("%Y-%m-%d")}
        (folder / "lm_cpu.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
