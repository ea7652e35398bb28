"""Benchmark: what a CPU's own ways save, in turns with the plain ones: VAE, a step's attention, a file's comparison.

    python -m tests.bench.cpu_parts [ROUNDS]

`mini`'s VAE on 20 s against diffusers' decoder; attention of eight rows at 500 tokens in a cache of 1,024 against all
of it; a FLAC file of 180 s: what encoding and reading back take of the whole. On one thread, in processor seconds,
which say more than the clock on a machine that others use; medians of the rounds and ratios within each.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from renderer.artifacts import Waveform
from renderer.facts import SAMPLE_RATE
from renderer.formats.table import FORMATS
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.vae.fused import slim
from renderer.models.ace_step.vae.sliced import Sliced
from renderer.models.ace_step.vae.weight_norm import fold_weight_norm
from renderer.models.catalog.zoo import resolve
from renderer.models.kernels.attention import AdditiveMask, grouped_attention
from renderer.models.kernels.decode_attention import PaddedDecode
from renderer.takes.audio import write_audio
from renderer.takes.encoding import encode
from tests.bench.lm_subjects import Nobody

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.models.kernels.attention import RowMask

    Ways = dict[str, Callable[[], object]]

FRAMES, ROWS, REACHED, LENGTH, STEPS = 500, 8, 500, 1_024, 50


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for ways in (vae(), attention(), file(Path(folder, "take.flac"))):
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
    config = SimpleNamespace(num_hidden_layers=1, num_attention_heads=8, num_key_value_heads=4, head_dim=64)
    decode = PaddedDecode.of(config, torch.full((ROWS,), REACHED), LENGTH, torch.zeros(1))
    keys, values = decode.memory[0].normal_()
    query, beyond = torch.randn(ROWS, 8, 1, 64), torch.arange(LENGTH) > REACHED
    every = AdditiveMask(values=torch.zeros(ROWS, LENGTH).masked_fill(beyond, -torch.inf)[:, None, None])

    def steps(mask: Callable[[], RowMask]) -> None:
        for _ in range(STEPS):
            grouped_attention(nn.Identity(), query, keys, values, mask(), 0.125)

    return {"attention, all": lambda: steps(lambda: every), "attention, what is used": lambda: steps(decode.mask)}


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
