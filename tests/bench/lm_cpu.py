"""Benchmark: songs per minute of the engine and of transformers' `generate`, alternating, on this machine's CPU.

    python -m tests.bench.lm_cpu FOLDER [THREADS]

Mid-size Qwen3 with the real vocabulary, 8 songs of 30 s; some six minutes on two quiet cores. Prints a table; writes
lm_cpu.json into FOLDER. Processor seconds are told too: on a machine that others use, they say more than the clock.
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

from renderer.models.ace_step.lm.engine import decode_all
from renderer.models.kernels.cuda_graph import eager
from tests.bench.lm_subjects import SIZES, Nobody, engine_of, plainly, random_model, songs

CPU = torch.device("cpu")
NUM_SONGS, SECONDS, ROUNDS = 8, 30, 2
BATCH, LONE = ("engine, 8 songs, 4 slots",), ("engine, a lone song, 4 slots", "engine, a lone song, 1 slot")


def main(folder: Path, num_threads: int, size: str = "mid") -> None:
    torch.set_num_threads(num_threads)
    plain = random_model(SIZES[size], CPU, torch.float32)
    lm = engine_of(random_model(SIZES[size], CPU, torch.float32), CPU, torch.float32, eager)
    wanted = songs([SECONDS] * NUM_SONGS)
    measured: dict[str, list[tuple[float, float]]] = {}

    def measure(name: str, work: Any) -> None:
        began, spent = time.perf_counter(), time.process_time()
        work()
        measured.setdefault(name, []).append((time.perf_counter() - began, time.process_time() - spent))
        print(f"{name}: {measured[name][-1][0]:.1f} s, {measured[name][-1][1]:.1f} processor seconds", flush=True)

    def engine(num_songs: int, num_slots: int) -> None:
        results = list(decode_all(lm, wanted[:num_songs], num_slots, 2**40, Nobody()))
        assert len(results) == num_songs, results

    for _ in range(ROUNDS):
        measure(BATCH[0], lambda: engine(NUM_SONGS, 4))
        measure("generate, one song at a time", lambda: [plainly(plain, song) for song in wanted])
        measure(LONE[0], lambda: engine(1, 4))
        measure(LONE[1], lambda: engine(1, 1))
    rows = [(name, *min(times), 1 if "lone" in name else NUM_SONGS) for name, times in measured.items()]
    print(f"\nLM {size}, vocabulary 217,204, float32, {SECONDS} s a song, {torch.get_num_threads()} threads,", end=" ")
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, best of {ROUNDS}\n")
    print(f"{'':32}{'seconds':>9}{'processor':>11}{'songs a minute':>16}")
    for name, seconds, processor, num_songs in rows:
        print(f"{name:32}{seconds:9.1f}{processor:11.1f}{60 * num_songs / seconds:16.1f}")
    best = {name: times for name, *times, _ in rows}
    theirs, ours, lone, single = (best[name] for name in ("generate, one song at a time", *BATCH, *LONE))
    ratios = {
        "engine against generate": [slow / fast for slow, fast in zip(theirs, ours, strict=True)],
        "a lone song, 4 slots against 1": [four / one for four, one in zip(lone, single, strict=True)],
    }
    for name, (by_clock, by_processor) in ratios.items():
        print(f"{name}: {by_clock:.2f} x the time, {by_processor:.2f} x the processor seconds")
    report = {"size": size, "threads": num_threads, "seconds": measured, "ratios": ratios}
    (folder / "lm_cpu.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count() or 1)
