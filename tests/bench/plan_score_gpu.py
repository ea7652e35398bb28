"""What scoring plans costs beside writing them: 16 songs of 180 s on a full-size LM with random weights.

    python3 -m tests.bench.plan_score_gpu FILE [SIZE …]

Writes FILE as JSON. A song's texts are as long as real ones: a caption of 80 tokens, lyrics of 500, five metas of 10.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from renderer.models.ace_step.lm.engine import decode_all
from renderer.models.ace_step.lm.teacher_forcing import TokenScores, score_tokens
from renderer.models.kernels.cuda_graph import cuda_graph, eager
from tests.bench.lm_subjects import SIZES, TOKENS, Nobody, engine_of, random_model, songs

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.models.ace_step.lm.decoder import ResidentLm

NUM_SONGS, SECONDS = 16, 180
LENGTHS = (80, 500, 10, 10, 10, 10, 10)


def main(path: Path, sizes: list[str]) -> None:
    """Measure each size."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_cuda = device.type == "cuda"
    dtype = torch.bfloat16 if on_cuda else torch.float32
    lengths = (NUM_SONGS, SECONDS) if on_cuda else (2, 4)
    found: dict[str, Any] = {"device": torch.cuda.get_device_name() if on_cuda else "cpu"}
    for size in sizes:
        lm = engine_of(random_model(SIZES[size], device, dtype), device, dtype, cuda_graph if on_cuda else eager)
        found[size] = measured(lm, *lengths)
        print(size, json.dumps(found[size]), flush=True)
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        del lm
        torch.cuda.empty_cache() if on_cuda else None


def measured(lm: ResidentLm, num_songs: int, seconds: int) -> dict[str, Any]:
    """Seconds of both, and what scoring keeps of memory beside the weights."""
    requests = songs([seconds] * num_songs)
    list(decode_all(lm, songs([1]), num_songs, lm.free_bytes(), Nobody()))
    began = time.perf_counter()
    list(decode_all(lm, requests, num_songs, lm.free_bytes(), Nobody()))
    writing = time.perf_counter() - began
    draw = random.Random(0)
    texts = [tuple(draw.randrange(150_000) for _ in range(length)) for length in LENGTHS]
    plans = [tuple(TOKENS.first_code + draw.randrange(64_000) for _ in range(5 * seconds)) for _ in range(num_songs)]
    scored(lm, plans[0], texts)
    held = torch.cuda.memory_allocated() if lm.device.type == "cuda" else 0
    if held:
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    # Of one song: what it expects without codes is asked once.
    scored(lm, plans[0][:40], texts[:2])
    # One ahead, as the part has it.
    waiting, first = deque[Any](), []
    for plan in plans:
        waiting.append(begun(lm, plan, texts))
        if len(waiting) > 1:
            first.append(sums(waiting.popleft()))
    first.append(sums(waiting.popleft()))
    scoring = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() - held if held else 0
    again = [scored(lm, plan, texts) for plan in reversed(plans)][::-1]
    return {
        "forward_milliseconds": round(forward_milliseconds(lm, plans[0], texts), 2),
        "writing_seconds": round(writing, 3),
        "scoring_seconds": round(scoring, 3),
        "share": round(scoring / writing, 4),
        "peak_megabytes": round(peak / 1e6),
        "equal_in_another_order": first == again,
    }


@torch.inference_mode()
def forward_milliseconds(lm: ResidentLm, plan: tuple[int, ...], texts: list[tuple[int, ...]]) -> float:
    """Of the first logits of a plan alone: nearly all of it is the row's way through the model."""
    for _ in range(3):
        next(lm.target_logits(plan, texts))
    _synchronise(lm)
    began = time.perf_counter()
    for _ in range(10):
        next(lm.target_logits(plan, texts))
    _synchronise(lm)
    return (time.perf_counter() - began) / 10 * 1000


def _synchronise(lm: ResidentLm) -> None:
    torch.cuda.synchronize() if lm.device.type == "cuda" else None


def scored(lm: ResidentLm, plan: tuple[int, ...], texts: list[tuple[int, ...]]) -> list[float]:
    """One plan."""
    return sums(begun(lm, plan, texts))


@torch.inference_mode()
def begun(lm: ResidentLm, plan: tuple[int, ...], texts: list[tuple[int, ...]]) -> Callable[[], list[TokenScores]]:
    """One plan, under way."""
    return score_tokens(lm, tuple(range(60)) + plan + tuple(range(10)), texts)


def sums(scores: Callable[[], list[TokenScores]]) -> list[float]:
    """When it is there."""
    return [float(one.log_probs.sum()) for one in scores()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ["0.6B", "1.7B"])
