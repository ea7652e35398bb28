"""What stands between the matrix products of a decoding step, each as one kernel, and attention in pieces. Triton.

A step of few rows is bound by the number of its kernels and by how evenly its caches are read. Every row's attention is
cut into pieces of `PIECE` tokens, which many processors read at once, and put together again; the cuts follow from the
row's own position. A row's bits depend on nothing but the row: no kernel here looks at two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from renderer.models.kernels.launching import launch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

PIECE = 256  # tokens of a cache that one program reads
AT_ONCE = 32
LEAST = 16  # rows of the smallest product a tensor core makes
NOTHING = tl.constexpr(-1e30)  # not -inf: a piece of it alone would be NaN


@triton.jit  # type: ignore[untyped-decorator]
def _add_norm(  # type: ignore[no-untyped-def]
    states, delta, gate, weight, out, eps,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr, ADD: tl.constexpr, GATED: tl.constexpr,
):  # fmt: skip
    column = tl.arange(0, BLOCK)
    inside, place = column < WIDTH, tl.program_id(0) * WIDTH + column
    values = tl.load(states + place, mask=inside, other=0.0).to(tl.float32)
    if ADD:
        added = tl.load(delta + place, mask=inside, other=0.0).to(tl.float32)
        if GATED:
            added *= tl.load(gate + column, mask=inside, other=0.0).to(tl.float32)
        values += added
        kept = values.to(states.dtype.element_ty)
        tl.store(states + place, kept, mask=inside)
        values = kept.to(tl.float32)
    scale = tl.rsqrt(tl.sum(values * values) / WIDTH + eps)
    scaled = values * scale * tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + place, scaled.to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _heads(  # type: ignore[no-untyped-def]
    states, weight, cos, sin, positions, query, keys, values, eps, row_stride,
    HEADS: tl.constexpr, KV_HEADS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0), tl.program_id(1)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    start = states + (row * (HEADS + 2 * KV_HEADS) + head) * WIDTH
    here = tl.load(start + column, mask=inside, other=0.0).to(tl.float32)
    position = tl.load(positions + row)
    cached = row.to(tl.int64) * row_stride + position * (KV_HEADS * WIDTH) + column
    if head < HEADS + KV_HEADS:
        across = (column + WIDTH // 2) % WIDTH
        there = tl.load(start + across, mask=inside, other=0.0).to(tl.float32)
        scale = tl.rsqrt(tl.sum(here * here) / WIDTH + eps)
        here *= scale * tl.load(weight + head * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
        there *= scale * tl.load(weight + head * WIDTH + across, mask=inside, other=0.0).to(tl.float32)
        turned = here * tl.load(cos + position * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
        turned += there * tl.load(sin + position * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
        if head < HEADS:
            tl.store(query + (row * HEADS + head) * WIDTH + column, turned.to(query.dtype.element_ty), mask=inside)
        else:
            tl.store(keys + cached + (head - HEADS) * WIDTH, turned.to(keys.dtype.element_ty), mask=inside)
    else:
        tl.store(values + cached + (head - HEADS - KV_HEADS) * WIDTH, here.to(values.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _attend(  # type: ignore[no-untyped-def]
    query, keys, values, positions, sums, tops, totals, scale, row_stride,
    GROUPS: tl.constexpr, KV_HEADS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    PIECES: tl.constexpr, SIZE: tl.constexpr, STEP: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    piece, head, row = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    first, end = piece * SIZE, tl.load(positions + row).to(tl.int32) + 1
    if first < end:
        member, column, token = tl.arange(0, ROWS), tl.arange(0, BLOCK), tl.arange(0, STEP)
        real, inside = member < GROUPS, column < WIDTH
        asked = (row * KV_HEADS + head) * GROUPS + member
        both = real[:, None] & inside[None, :]
        wanted = tl.load(query + asked[:, None] * WIDTH + column[None, :], mask=both, other=0.0)
        start = row.to(tl.int64) * row_stride + first.to(tl.int64) * (KV_HEADS * WIDTH) + head * WIDTH
        top = tl.full((ROWS,), NOTHING, dtype=tl.float32)
        total, mixed = tl.zeros((ROWS,), dtype=tl.float32), tl.zeros((ROWS, BLOCK), dtype=tl.float32)
        for offset in range(0, SIZE, STEP):
            used = first + offset + token < end
            place = (offset + token)[:, None] * (KV_HEADS * WIDTH) + column[None, :]
            shown = used[:, None] & inside[None, :]
            key = tl.load(keys + start + place, mask=shown, other=0.0)
            scores = tl.where(used[None, :], tl.dot(wanted, tl.trans(key)) * scale, NOTHING)
            higher = tl.maximum(top, tl.max(scores, 1))
            weights, faded = tl.exp(scores - higher[:, None]), tl.exp(top - higher)
            value = tl.load(values + start + place, mask=shown, other=0.0)
            mixed = tl.dot(weights.to(value.dtype), value, mixed * faded[:, None])
            total, top = total * faded + tl.sum(weights, 1), higher
        out = asked * PIECES + piece
        tl.store(sums + out[:, None] * WIDTH + column[None, :], mixed, mask=both)
        tl.store(tops + out, top, mask=real)
        tl.store(totals + out, total, mask=real)


@triton.jit  # type: ignore[untyped-decorator]
def _join(  # type: ignore[no-untyped-def]
    sums, tops, totals, positions, out,
    HEADS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
    PIECES: tl.constexpr, MANY: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0), tl.program_id(1)
    piece, column = tl.arange(0, MANY), tl.arange(0, BLOCK)
    used, inside = piece * SIZE <= tl.load(positions + row), column < WIDTH
    start = (row * HEADS + head) * PIECES
    tall = tl.load(tops + start + piece, mask=used, other=NOTHING)
    weights = tl.where(used, tl.exp(tall - tl.max(tall, 0)), 0.0)
    total = tl.sum(weights * tl.load(totals + start + piece, mask=used, other=0.0), 0)
    both = used[:, None] & inside[None, :]
    parts = tl.load(sums + (start + piece)[:, None] * WIDTH + column[None, :], mask=both, other=0.0)
    mixed = tl.sum(parts * weights[:, None], 0) / total
    tl.store(out + (row * HEADS + head) * WIDTH + column, mixed.to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _gate(both, out, WIDTH: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row, column = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < WIDTH
    gate = tl.load(both + row * 2 * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(both + (row * 2 + 1) * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * WIDTH + column, (gate / (1.0 + tl.exp(-gate)) * up).to(out.dtype.element_ty), mask=inside)


def add_norm(states: Tensor, delta: Tensor | None, weight: Tensor, eps: float, *, gate: Tensor | None = None) -> Tensor:
    """`delta` · `gate` [width] added to the states [rows, width] in place, and the RMS norm of that."""
    rows, width = states.shape
    out = torch.empty_like(states)
    launch(
        _add_norm,
        (rows,),
        states,
        delta,
        gate,
        weight,
        out,
        eps,
        WIDTH=width,
        BLOCK=triton.next_power_of_2(width),
        ADD=delta is not None,
        GATED=gate is not None,
    )
    return out


def turn_heads(
    states: Tensor, weight: Tensor, turns: tuple[Tensor, Tensor], positions: Tensor, memory: Tensor, eps: float
) -> Tensor:
    """Queries [rows, heads, width] normalised and turned by position; keys, so as well, and values into `memory`.

    States [rows, (heads + 2 · kv heads) · width] hold all three; `weight` [heads + kv heads, width] is the norms';
    `turns` are cosines and sines [length, width], the sines' first half negated; memory [2, rows, kv heads, length,
    width] lies by token.
    """
    rows, (rotated, width), kv_heads = len(states), weight.shape, memory.shape[2]
    heads = rotated - kv_heads
    query = states.new_empty(rows, heads, width)
    launch(
        _heads,
        (rows, heads + 2 * kv_heads),
        states,
        weight,
        *turns,
        positions,
        query,
        *memory,
        eps,
        memory.stride(1),
        HEADS=heads,
        KV_HEADS=kv_heads,
        WIDTH=width,
        BLOCK=triton.next_power_of_2(width),
        num_warps=1,
    )
    return query


def attend(query: Tensor, memory: Tensor, positions: Tensor, scale: float) -> Tensor:
    """Queries [rows, heads, width] on each row's memory up to its position: [rows, heads · width]."""
    rows, heads, width = query.shape
    kv_heads, length = memory.shape[2:4]
    pieces, groups = triton.cdiv(length, PIECE), heads // kv_heads
    block = max(LEAST, triton.next_power_of_2(width))
    sums = query.new_empty(rows, heads, pieces, width, dtype=torch.float32)
    tops, totals = (query.new_empty(rows, heads, pieces, dtype=torch.float32) for _ in range(2))
    launch(
        _attend,
        (pieces, kv_heads, rows),
        query,
        *memory,
        positions,
        sums,
        tops,
        totals,
        scale,
        memory.stride(1),
        GROUPS=groups,
        KV_HEADS=kv_heads,
        WIDTH=width,
        BLOCK=block,
        PIECES=pieces,
        SIZE=PIECE,
        STEP=AT_ONCE,
        ROWS=max(LEAST, triton.next_power_of_2(groups)),
        num_warps=4,
        num_stages=3,
    )
    out = torch.empty_like(query)
    many = triton.next_power_of_2(pieces)
    launch(
        _join,
        (rows, heads),
        sums,
        tops,
        totals,
        positions,
        out,
        HEADS=heads,
        WIDTH=width,
        BLOCK=block,
        PIECES=pieces,
        MANY=many,
        SIZE=PIECE,
        num_warps=1,
    )
    return out.view(rows, heads * width)


def gate(both: Tensor) -> Tensor:
    """silu(first half) · second half of [rows, 2 · width]."""
    rows, width = len(both), both.shape[1] // 2
    out, block = both.new_empty(rows, width), 1_024
    launch(_gate, (rows, triton.cdiv(width, block)), both, out, WIDTH=width, BLOCK=block)
    return out


def launch_step(like: Tensor, norms: Tensor, memory: Sequence[int], inner: int) -> None:
    """Launch all of these kernels on the meta device, for steps of states as `like` [rows, width].

    `norms` are the heads' [heads + kv heads, head width], `memory` the shape of a layer's, `inner` the width that is
    gated.
    """
    rows, width = like.shape
    (rotated, head_width), kv_heads = norms.shape, memory[2]

    def made(*shape: int, dtype: torch.dtype = like.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    states, positions = made(rows, width), made(rows, dtype=torch.int64)
    layer = made(memory[0], memory[1], memory[3], memory[2], memory[4]).transpose(2, 3)
    for delta in (None, states):
        add_norm(states, delta, made(width), 0.0)
    turns = made(memory[3], head_width), made(memory[3], head_width)
    joined = made(rows, (rotated + kv_heads) * head_width)
    attend(turn_heads(joined, made(*norms.shape), turns, positions, layer, 0.0), layer, positions, 0.0)
    gate(made(rows, 2 * inner))
