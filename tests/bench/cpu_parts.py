"""Benchmark: what a CPU's own ways save, in turns with the plain ones: VAE, a step of the LM, a file's comparison.

    python -m tests.bench.cpu_parts [ROUNDS]

`mini`'s VAE on 20 s against diffusers' decoder; attention of eight rows at 500 tokens in a cache of 1,024 against all
of it; an output layer of 64,000 codes as torch lays it out and as oneDNN does; a FLAC file of 180 s: what encoding and
reading back take of the whole. On one thread, in processor seconds, which say more than the clock on a machine that
others use; medians of the rounds and ratios within each.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from renderer.artifacts import Waveform
from renderer.facts import SAMPLE_RATE
from renderer.formats.table import FORMATS
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.vae.fused import slim
from renderer.models.ace_step.vae.sliced import Sliced
from renderer.models.ace_step.vae.weight_norm import fold_weight_norm
from renderer.models.catalog.zoo import resolve
from renderer.models.kernels.packed_linear import packed, product
from renderer.takes.audio import write_audio
from renderer.takes.encoding import encode
from tests.bench.lm_subjects import Nobody

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Ways = dict[str, Callable[[], object]]

FRAMES, ROWS, REACHED, LENGTH, STEPS = 500, 8, 500, 1_024, 50


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for ways in (vae(), attention(), products(), file(Path(folder, "take.flac"))):
            tell(ways, rounds)


def vae() -> Ways:
    files = resolve("mini").files
    assert files is not None
    plain = find_component(files, "vae").load(dtype="float32", device=torch.device("cpu"), listener=Nobody()).decoder
    fold_weight_norm(plain)
    sliced = Sliced(copy.deepcopy(plain))
    slim(plain)
    latents = torch.randn(1, 64, FRAMES)
    return {"VAE, whole": lambda: plain(latents), "VAE, in slices": lambda: sliced(latents)}


def attention() -> Ways:
    keys, values = torch.randn(2, ROWS, 4, LENGTH, 64)
    query = torch.randn(ROWS, 4, 2, 64)
    mask = torch.zeros(LENGTH).masked_fill(torch.arange(LENGTH) > REACHED, -torch.inf)
    rows = [tuple(part[at : at + 1] for part in (query, keys, values)) for at in range(ROWS)]
    used = REACHED + 1

    def at_once() -> Tensor:
        return scaled_dot_product_attention(query, keys, values, attn_mask=mask.expand(ROWS, 1, 2, LENGTH))

    def apart() -> Tensor:
        return torch.cat([scaled_dot_product_attention(q, k[:, :, :used], v[:, :, :used]) for q, k, v in rows])

    return {"attention, all": often(at_once), "attention, what is used": often(apart)}


def products() -> Ways:
    """Of the codes' part of the published vocabulary, for a step of 8 rows."""
    weight, states = torch.randn(64_000, 512), torch.randn(ROWS, 512)
    laid_out = packed(weight, ROWS)
    return {
        "output layer": often(lambda: product(states, weight)),
        "output layer, packed": often(lambda: product(states, laid_out)),
    }


def often(work: Callable[[], Tensor]) -> Callable[[], None]:
    def steps() -> None:
        for _ in range(STEPS):
            work()

    return steps


def file(path: Path) -> Ways:
    time_line = np.arange(180 * SAMPLE_RATE) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * 110 * step * time_line) / step for step in range(1, 8))
    noise = np.random.default_rng(0).normal(0, 0.02, (2, len(time_line)))
    sound = Waveform(samples=(0.3 * tones + noise).astype(np.float32))
    row = FORMATS["flac"]
    return {
        "file, written and read back": lambda: write_audio(sound, path, "flac", {}),
        "file, only encoded": lambda: encode(sound.samples.T, path, row),
    }


def tell(ways: Ways, rounds: int) -> None:
    """Seconds of each way, and the second one's share of the first."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = time.process_time()
            way()
            taken[name].append(time.process_time() - began)
    (first, before), (second, after) = ((name, one[1:]) for name, one in taken.items())
    share = median(late / early for early, late in zip(before, after, strict=True))
    print(f"{first}: {median(before):.3f} s; {second}: {median(after):.3f} s; × {share:.2f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
