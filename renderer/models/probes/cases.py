"""The probes' operations, run on a device and held against the CPU's in float64."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from renderer.models.device import synchronise
from renderer.models.probes.table import BOUNDS, PROBES
from renderer.models.probes.verdict import Speed, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from renderer.models.probes.table import Probe

TILE_SAMPLES = 491_520  # a VAE tile of 256 frames: the longest that a device gets by itself where this is right
DECODE_POSITIONS = (3, 700, 12, 1_023, 0, 55, 9, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An operation and its operands, float32 on the CPU."""

    run: Callable[..., Tensor]
    operands: tuple[Tensor, ...]


def trials(device: str) -> Iterator[Trial]:
    """Every probe on the device, twice, in turn."""
    cases = _cases()
    for probe in PROBES:
        yield _trial(probe, cases[probe.name.removesuffix(f"-{probe.dtype}")], device)


def _trial(probe: Probe, case: Case, device: str) -> Trial:
    try:
        found, again = (_on(case, device, getattr(torch, probe.dtype)).double() for _ in range(2))
    except (RuntimeError, TypeError) as error:
        # A device that can't, says so: then the part doesn't compute there either.
        return Trial(probe=probe.name, error=None, said=str(error).splitlines()[0])
    rounded = tuple(operand.to(getattr(torch, probe.dtype)).double() for operand in case.operands)
    right = case.run(*rounded)
    off = float((found - right).abs().max() / right.abs().max())
    if not math.isfinite(off):
        return Trial(probe=probe.name, error=None, said="NaN or infinity")
    if not torch.equal(found, again):
        return Trial(probe=probe.name, error=off, said="twice not the same")
    return Trial(probe=probe.name, error=off, said="" if off < BOUNDS[probe.dtype] else "another result")


def _on(case: Case, device: str, dtype: torch.dtype) -> Tensor:
    return case.run(*(operand.to(device, dtype) for operand in case.operands)).cpu()


def _cases() -> dict[str, Case]:
    """By the probes' names, less the dtype."""
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    query, prompt = some(8, 8, 2, 128), some(1, 16, 131, 128)
    return {
        "linear-prompt": Case(run=_linear, operands=(some(2, 13, 1_024), some(1_024, 1_024))),
        "linear-step": Case(run=_linear, operands=(some(8, 1, 2_048), some(1_024, 2_048))),
        "linear-bias": Case(run=_linear, operands=(some(2, 64, 128), some(384, 128), some(384))),
        "causal": Case(run=_causal, operands=(prompt, some(1, 16, 131, 128), some(1, 16, 131, 128))),
        "decode-1024": Case(run=_decode, operands=(query, some(8, 8, 1_024, 128), some(8, 8, 1_024, 128))),
        "decode-2048": Case(run=_decode, operands=(query, some(8, 8, 2_048, 128), some(8, 8, 2_048, 128))),
        "convolution": Case(run=_convolution, operands=(some(1, 8, TILE_SAMPLES), some(8, 8, 7))),
        "upsampling": Case(run=_upsampling, operands=(some(1, 16, TILE_SAMPLES // 2), some(16, 8, 4))),
        "sort": Case(run=_sort, operands=(some(4, 64_001),)),
    }


def _linear(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.linear(states, weight, bias)


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(query, key, value, is_causal=True)


def _decode(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """As `AdditiveMask` attends: rows at their own positions, query heads packed."""
    positions = torch.tensor(DECODE_POSITIONS, device=query.device)
    columns = torch.arange(key.shape[2], device=query.device)
    mask = torch.zeros(len(positions), len(columns), dtype=query.dtype, device=query.device)
    mask = mask.masked_fill(columns > positions[:, None], -torch.inf)[:, None, None].expand(-1, 1, query.shape[2], -1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _convolution(states: Tensor, weight: Tensor) -> Tensor:
    return functional.conv1d(states, weight, padding=3)


def _upsampling(states: Tensor, weight: Tensor) -> Tensor:
    return functional.conv_transpose1d(states, weight, stride=2, padding=1)


def _sort(logits: Tensor) -> Tensor:
    return logits.softmax(-1).sort(-1, descending=True).values.cumsum(-1)


def speed(device: str) -> Speed:
    """Seconds that a product of the DiT's size takes in float32 and in bfloat16."""
    return Speed(float32=_product_seconds(device, torch.float32), bfloat16=_product_seconds(device, torch.bfloat16))


def _product_seconds(device: str, dtype: torch.dtype) -> float:
    left, right = (
        torch.ones(768, 2_048, device=device, dtype=dtype),
        torch.ones(2_048, 6_144, device=device, dtype=dtype),
    )
    best = float("inf")
    for _ in range(4):  # the first one sets the library up
        began = time.perf_counter()
        _ = left @ right
        synchronise(torch.device(device))
        best = min(best, time.perf_counter() - began)
    return best
