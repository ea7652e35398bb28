"""What a stage would take if every layer ran at the device's measured peak: the sum of max(arithmetic, memory traffic).

A model set's configs and a run's shape go in, seconds come out; the peaks are measured, not the vendor's. Reading
weights from disk, prompts and the host's work count nothing here, so no stage can reach its bound.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from renderer.facts import NUM_CODES
from renderer.models import device as devices
from renderer.models.catalog.zoo import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROMPT_TOKENS = 400
CONDITION_TOKENS = 300  # lyrics, one of timbre, text
ITEM_BYTES = 2  # bfloat16
DIT_STEPS = 8
PATCHES_A_SECOND = 12.5
CODES_A_SECOND = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """What the device gave: a large product of matrices, and a copy of memory."""

    flops: float
    bytes: float

    def seconds(self, flops: float, num_bytes: float) -> float:
        """The least that so much arithmetic on so much memory takes."""
        return max(flops / self.flops, num_bytes / self.bytes)


def measure_peaks(device: torch.device) -> Peaks:
    """Bfloat16 products and copies, the best of several."""
    width, count = (8_192, 1 << 30) if device.type == "cuda" else (1_024, 1 << 26)
    left, right = (torch.randn((width, width), device=device, dtype=torch.bfloat16) for _ in range(2))
    source = torch.zeros(count, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return Peaks(
        flops=2 * width**3 / _best(device, lambda: left @ right),
        bytes=2 * count / _best(device, lambda: target.copy_(source)),
    )


def _best(device: torch.device, work: Callable[[], Any], times: int = 8) -> float:
    found = []
    for _ in range(times):
        devices.synchronise(device)
        began = time.perf_counter()
        work()
        devices.synchronise(device)
        found.append(time.perf_counter() - began)
    return min(found)


def bounds(folder: Path, peaks: Peaks, *, num_songs: int, seconds: int, num_slots: int) -> dict[str, float]:
    """Seconds for the LM's codes and the DiT's steps of a run, by part."""
    files = resolve(str(folder)).files
    assert files is not None
    assert files.lm is not None
    lm = json.loads((Path(files.lm) / "config.json").read_text())
    dit = json.loads((Path(files.dit) / "config.json").read_text())
    num_codes = seconds * CODES_A_SECOND
    # The slots run full but for the last round; idle rows cost what others cost and are no song's bound.
    rounds = [num_slots] * (num_songs // num_slots) + ([num_songs % num_slots] if num_songs % num_slots else [])
    codes = sum(
        num_codes
        * sum(peaks.seconds(*one) for one in lm_step(lm, rows=2 * songs, cached=PROMPT_TOKENS + num_codes / 2))
        for songs in rounds
    )
    patches = ceil(seconds * PATCHES_A_SECOND)
    forward = sum(peaks.seconds(*one) for one in dit_forward(dit, patches=patches))
    return {"lm": codes, "dit": num_songs * DIT_STEPS * forward}


def lm_step(config: dict[str, Any], *, rows: int, cached: float) -> Iterator[tuple[float, float]]:
    """Arithmetic and traffic of every operation of one decoding step."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads, head = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    for _ in range(config["num_hidden_layers"]):
        yield _product(rows, width, (heads + 2 * kv_heads) * head)
        yield 4 * rows * cached * heads * head, 2 * rows * cached * kv_heads * head * ITEM_BYTES
        yield _product(rows, heads * head, width)
        yield _product(rows, width, 2 * inner)
        yield _product(rows, inner, width)
    yield _product(rows, width, NUM_CODES + 1)


def dit_forward(config: dict[str, Any], *, patches: int) -> Iterator[tuple[float, float]]:
    """The same of one turbo step; keys and values of the conditions are made once a take and left out."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads, head = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    for kind in config["layer_types"]:
        reach = patches if kind == "full_attention" else min(patches, 2 * config["sliding_window"] + 1)
        yield _product(patches, width, (heads + 2 * kv_heads) * head)
        yield 4 * patches * reach * heads * head, patches * 2 * (heads + kv_heads) * head * ITEM_BYTES
        yield _product(patches, heads * head, width)
        yield _product(patches, width, heads * head)
        tokens = 2 * CONDITION_TOKENS * kv_heads * head
        yield 4 * patches * CONDITION_TOKENS * heads * head, (tokens + 2 * patches * heads * head) * ITEM_BYTES
        yield _product(patches, heads * head, width)
        yield _product(patches, width, 2 * inner)
        yield _product(patches, inner, width)


def _product(rows: float, inner: float, outer: float) -> tuple[float, float]:
    return 2 * rows * inner * outer, ITEM_BYTES * (inner * outer + rows * (inner + outer))
