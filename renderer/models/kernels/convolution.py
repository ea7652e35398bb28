"""1-D convolutions on the tensor cores, with what stands between them in the same kernel. Triton; channels last.

States are [samples, channels], so a convolution is one matrix product a tap, on rows moved by the tap's distance. What
comes before the next convolution (bias, residual sum, snake) happens where a row's result is still in registers. Block
sizes are fixed by shape and device: a choice by timing could be another one tomorrow, and with it the rounding.
Sums are float32; a row's bits depend on its own inputs alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import triton
import triton.language as tl

from renderer.models.kernels.launching import launch

if TYPE_CHECKING:
    from torch import Tensor

ROUND = tl.constexpr(12_582_912.0)  # 1.5 · 2^23: a float32 that is added and taken away again is rounded


class SnakeConstants(NamedTuple):
    """x + sin²(π · turns · x) · depth, channel by channel; float32 [channels] each."""

    turns: Tensor
    depth: Tensor


class Convolution(NamedTuple):
    """Output row m gathers input rows m + tap · dilation - shift."""

    weight: Tensor
    """[taps, channels in, channels out]."""
    bias: Tensor
    """float32, as many as channels out."""
    dilation: int
    shift: int


class BlockSizes(NamedTuple):
    """Sizes that decide how a kernel adds up, and how fast it does."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int


@triton.jit
def _snaked(states, turns, depth):  # type: ignore[no-untyped-def]
    angle = states * turns
    part = angle - ((angle + ROUND) - ROUND)
    square = part * part
    # sin²(π · part) as a polynomial, within 6e-7: a GPU has eight multipliers for each unit that knows sines.
    wave = 10.58130931854248 * square - 29.426280975341797
    wave = wave * square + 42.643428802490234
    wave = wave * square - 32.46514129638672
    wave = wave * square + 9.869524955749512
    return states + depth * (wave * square)


@triton.jit
def _loaded(values, channels, inside):  # type: ignore[no-untyped-def]
    return tl.load(values + channels, mask=inside, other=0.0)[None, :]


@triton.jit  # type: ignore[untyped-decorator]
def _products(  # type: ignore[no-untyped-def]
    states, weight, first, columns, num_in, dilation, shift,
    TAPS: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """float32 [ROWS, COLUMNS]: every tap's product, one behind the other."""
    steps: tl.constexpr = (IN + DEPTH - 1) // DEPTH
    within, inner = tl.arange(0, ROWS), tl.arange(0, DEPTH)
    sums = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for step in range(TAPS * steps):
        tap, channels = step // steps, (step % steps) * DEPTH + inner
        gathered = first + within + tap * dilation - shift
        there = (gathered >= 0) & (gathered < num_in)
        near, far = there[:, None], columns[None, :] < OUT
        if IN % DEPTH != 0:
            near, far = near & (channels[None, :] < IN), far & (channels[:, None] < IN)
        start = (first + tap * dilation - shift).to(tl.int64) * IN
        left = tl.load(states + start + (within[:, None] * IN + channels[None, :]), mask=near, other=0.0)
        right = tl.load(weight + (tap * IN + channels)[:, None] * OUT + columns[None, :], mask=far, other=0.0)
        sums = tl.dot(left, right, sums)
    return sums


@triton.jit(do_not_specialize=["num_in", "num_rows", "num_samples", "dilation", "shift"])  # type: ignore[untyped-decorator]
def _convolve(  # type: ignore[no-untyped-def]
    states, weight, bias, residual, turns, depth, raw, active,
    num_in, num_rows, num_samples, dilation, shift,
    TAPS: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr, CHANNELS: tl.constexpr, CUT: tl.constexpr,
    RESIDUAL: tl.constexpr, RAW: tl.constexpr, ACTIVE: tl.constexpr, ACROSS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    first = tl.program_id(1) * ROWS
    within, columns = tl.arange(0, ROWS), tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    sums = _products(
        states, weight, first, columns, num_in, dilation, shift, TAPS, IN, OUT, ROWS, COLUMNS, DEPTH
    )  # fmt: skip
    inside, channels = columns < OUT, columns % CHANNELS
    sums += _loaded(bias, channels, inside)
    # A row may hold several samples, of which those within the padding of a transposed convolution are cut off.
    sample = (first + within)[:, None] * (OUT // CHANNELS) + (columns // CHANNELS)[None, :] - CUT
    kept = inside[None, :] & (sample >= 0) & (sample < num_samples)
    if ACROSS:
        place = columns[None, :] * num_rows + (first + within)[:, None]
    else:
        # The tile's own beginning by 64 bits, what lies in it by 32: addresses would take half of the registers.
        place = within[:, None] * OUT + columns[None, :]
        start = first.to(tl.int64) * OUT - CUT * CHANNELS
        if RESIDUAL:
            residual += start
        if RAW:
            raw += start
        if ACTIVE:
            active += start
    if RESIDUAL:
        sums += tl.load(residual + place, mask=kept, other=0.0).to(tl.float32)
    if RAW:
        tl.store(raw + place, sums.to(raw.dtype.element_ty), mask=kept)
    if ACTIVE:
        wave, high = _loaded(turns, channels, inside), _loaded(depth, channels, inside)
        tl.store(active + place, _snaked(sums, wave, high).to(active.dtype.element_ty), mask=kept)


@triton.jit(do_not_specialize=["num_rows", "dilation", "shift", "keep"])  # type: ignore[untyped-decorator]
def _unit(  # type: ignore[no-untyped-def]
    states, weight, bias, inner_turns, inner_depth, mix, mix_bias, residual, turns, depth, raw, active,
    num_rows, dilation, shift, keep,
    TAPS: tl.constexpr, CHANNELS: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    first = tl.program_id(0) * ROWS
    within, columns = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    rows = first + within
    sums = _products(
        states, weight, first, columns, num_rows, dilation, shift, TAPS, CHANNELS, CHANNELS, ROWS, COLUMNS, DEPTH
    )  # fmt: skip
    inside = columns < CHANNELS
    sums += _loaded(bias, columns, inside)
    wave, high = _loaded(inner_turns, columns, inside), _loaded(inner_depth, columns, inside)
    hidden = _snaked(sums, wave, high).to(states.dtype.element_ty)
    both = inside[:, None] & inside[None, :]
    mixing = tl.load(mix + columns[:, None] * CHANNELS + columns[None, :], mask=both, other=0.0)
    place, start = within[:, None] * CHANNELS + columns[None, :], first.to(tl.int64) * CHANNELS
    kept = (rows < num_rows)[:, None] & inside[None, :]
    mixed = tl.dot(hidden, mixing) + _loaded(mix_bias, columns, inside)
    mixed += tl.load(residual + start + place, mask=kept, other=0.0).to(tl.float32)
    # Not a kernel of its own for the last unit, whose sum nobody reads: each takes two seconds to compile.
    tl.store(raw + start + place, mixed.to(raw.dtype.element_ty), mask=kept & (keep != 0))
    wave, high = _loaded(turns, columns, inside), _loaded(depth, columns, inside)
    tl.store(active + start + place, _snaked(mixed, wave, high).to(active.dtype.element_ty), mask=kept)


def convolve(
    states: Tensor,
    by: Convolution,
    out: Tensor,
    blocks: BlockSizes,
    *,
    snake: SnakeConstants | None = None,
    residual: Tensor | None = None,
    raw: Tensor | None = None,
    cut: int = 0,
) -> Tensor:
    """States [samples, channels in] convolved into `out` [samples, channels], snaked where there is a snake.

    With more columns than biases a row of the product holds several samples, of which the first `cut` are dropped.
    `residual` and `raw` are laid as `out`: what is added, and where the sum goes before its snake.
    """
    taps, num_in, num_out = by.weight.shape
    num_samples, channels = out.shape
    rows = -(-(num_samples + cut) * channels // num_out)
    active, plain = (out, raw) if snake is not None else (None, out)
    # A result with its channels apart is a view of one with its channels in front.
    across = out.stride(0) == 1 and channels > 1
    launch(
        _convolve,
        (triton.cdiv(num_out, blocks.columns), triton.cdiv(rows, blocks.rows)),
        states,
        by.weight,
        by.bias,
        residual,
        snake and snake.turns,
        snake and snake.depth,
        plain,
        active,
        len(states),
        rows,
        num_samples,
        by.dilation,
        by.shift,
        TAPS=taps,
        IN=num_in,
        OUT=num_out,
        CHANNELS=channels,
        CUT=cut,
        RESIDUAL=residual is not None,
        RAW=plain is not None,
        ACTIVE=active is not None,
        ACROSS=across,
        ROWS=blocks.rows,
        COLUMNS=blocks.columns,
        DEPTH=blocks.depth,
        num_warps=blocks.warps,
        num_stages=blocks.stages,
    )
    return out


def residual_unit(
    states: Tensor,
    by: Convolution,
    inner: SnakeConstants,
    mix: Convolution,
    residual: Tensor,
    snake: SnakeConstants,
    out: Tensor,
    blocks: BlockSizes,
    *,
    raw: Tensor | None,
) -> Tensor:
    """Residual + mix(inner(by(states))), snaked into `out` and as it is into `raw`: all [samples, channels].

    In one kernel, whose `blocks.columns` hold all channels.
    """
    taps, channels, _ = by.weight.shape
    launch(
        _unit,
        (triton.cdiv(len(states), blocks.rows),),
        states,
        by.weight,
        by.bias,
        inner.turns,
        inner.depth,
        mix.weight,
        mix.bias,
        residual,
        snake.turns,
        snake.depth,
        out if raw is None else raw,
        out,
        len(states),
        by.dilation,
        by.shift,
        int(raw is not None),
        TAPS=taps,
        CHANNELS=channels,
        ROWS=blocks.rows,
        COLUMNS=blocks.columns,
        DEPTH=blocks.depth,
        num_warps=blocks.warps,
        num_stages=blocks.stages,
    )
    return out
