"""MLX's operations of the LM's step, run on MLX's device and held against numpy's in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlx.core as mx
import numpy as np

from renderer.models.probes.table import BOUNDS, MLX_PROBES
from renderer.models.probes.verdict import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from renderer.models.probes.table import Probe

    Array = npt.NDArray[np.float64]

GROUP, BITS = 64, 8
POSITIONS = (3, 700, 12, 1_023, 0, 55, 9, 400)
OURS = 3
"""The row that is held against itself among others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MlxCase:
    """An operation, what it should give in float64, and its operands."""

    run: Callable[..., mx.array]
    right: Callable[..., Array]
    """Of the same operands, as rounded."""
    operands: tuple[Array, ...]


def trials() -> Iterator[Trial]:
    """Every probe on MLX's own device, twice, in turn."""
    cases = _cases()
    for probe in MLX_PROBES:
        yield trial(probe, cases[probe.name.removesuffix(f"-{probe.dtype}")])


def trial(probe: Probe, case: MlxCase) -> Trial:
    """One probe."""
    rounded = [mx.array(one.astype(np.float32)).astype(getattr(mx, probe.dtype)) for one in case.operands]
    try:
        found, again = (_exact(case.run(*rounded)) for _ in range(2))
    except (RuntimeError, ValueError) as error:
        return Trial(probe=probe.name, error=None, said=str(error).splitlines()[0])
    right = case.right(*rounded)
    off = float(np.abs(found - right).max() / np.abs(right).max())
    if not math.isfinite(off):
        return Trial(probe=probe.name, error=None, said="NaN or infinity")
    if not np.array_equal(found, again):
        return Trial(probe=probe.name, error=off, said="twice not the same")
    return Trial(probe=probe.name, error=off, said="" if off < BOUNDS[probe.dtype] else "another result")


def _cases() -> dict[str, MlxCase]:
    """By the probes' names, less the dtype."""
    chance = np.random.default_rng(0)

    def some(*shape: int) -> Array:
        return chance.standard_normal(shape)

    cache = (some(8, 16, 1, 128), some(8, 8, 1_024, 128), some(8, 8, 1_024, 128))
    prompt = (some(1, 16, 131, 128), some(1, 8, 131, 128), some(1, 8, 131, 128))
    return {
        "mlx-linear": MlxCase(run=_linear, right=_linear_right, operands=(some(8, 1, 2_048), some(1_024, 2_048))),
        "mlx-causal": MlxCase(run=_causal, right=_causal_right, operands=prompt),
        "mlx-decode": MlxCase(run=_decode, right=_decode_right, operands=cache),
        "mlx-company": MlxCase(run=_company, right=_company_right, operands=cache),
        "mlx-8bit": MlxCase(run=_rounded, right=_rounded_right, operands=(some(8, 1, 2_048), some(1_024, 2_048))),
    }


def _linear(states: mx.array, weight: mx.array) -> mx.array:
    return states @ weight.T


def _causal(query: mx.array, key: mx.array, value: mx.array) -> mx.array:
    return mx.fast.scaled_dot_product_attention(query, key, value, scale=query.shape[-1] ** -0.5, mask="causal")


def _decode(query: mx.array, key: mx.array, value: mx.array) -> mx.array:
    """Rows at their own positions of a cache, as a step has them."""
    mask = (mx.arange(key.shape[2])[None] <= mx.array(POSITIONS)[:, None])[:, None, None]
    return mx.fast.scaled_dot_product_attention(query, key, value, scale=query.shape[-1] ** -0.5, mask=mask)


def _company(query: mx.array, key: mx.array, value: mx.array) -> mx.array:
    """1 where a row's bits are the same whatever the others hold."""
    others = mx.arange(len(POSITIONS))[:, None, None, None] != OURS
    alone = _decode(*(mx.where(others, mx.zeros_like(one), one) for one in (query, key, value)))
    among = _decode(query, key, value)
    return mx.array([float(mx.array_equal(alone[OURS], among[OURS]))])


def _rounded(states: mx.array, weight: mx.array) -> mx.array:
    packed, scales, offsets = mx.quantize(weight, group_size=GROUP, bits=BITS, stream=mx.cpu)
    return mx.quantized_matmul(states, packed, scales, offsets, transpose=True, group_size=GROUP, bits=BITS)


def _exact(array: mx.array) -> Array:
    return np.array(array.astype(mx.float32), np.float64)


def _linear_right(states: mx.array, weight: mx.array) -> Array:
    return _exact(states) @ _exact(weight).T


def _rounded_right(states: mx.array, weight: mx.array) -> Array:
    """Rounding itself is the CPU's on both sides."""
    packed, scales, offsets = mx.quantize(weight, group_size=GROUP, bits=BITS, stream=mx.cpu)
    integers = np.array(packed).view(np.uint8).reshape(len(weight), -1, GROUP).astype(np.float64)
    held = integers * _exact(scales)[..., None] + _exact(offsets)[..., None]
    return _exact(states) @ held.reshape(len(weight), -1).T


def _company_right(*operands: mx.array) -> Array:
    del operands
    return np.ones(1)


def _causal_right(query: mx.array, key: mx.array, value: mx.array) -> Array:
    length = key.shape[2]
    return _attended(query, key, value, np.tril(np.ones((length, length), bool)))


def _decode_right(query: mx.array, key: mx.array, value: mx.array) -> Array:
    return _attended(query, key, value, (np.arange(key.shape[2])[None] <= np.array(POSITIONS)[:, None])[:, None, None])


def _attended(query: mx.array, key: mx.array, value: mx.array, mask: npt.NDArray[np.bool_]) -> Array:
    groups = query.shape[1] // key.shape[1]
    keys, values = (_exact(one).repeat(groups, axis=1) for one in (key, value))
    scores = np.where(mask, _exact(query) @ keys.swapaxes(2, 3) * query.shape[-1] ** -0.5, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    found: Array = weights / weights.sum(-1, keepdims=True) @ values
    return found
