"""Where a row's cumulative sum passes a goal, as one kernel of Triton in place of a dozen: a token is drawn by two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

from renderer.models.kernels.launching import launch

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 4_096  # columns summed together before it is looked inside


@triton.jit(do_not_specialize=["columns"])  # type: ignore[untyped-decorator]
def _crossing(  # type: ignore[no-untyped-def]
    weights, goals, out, columns,
    CHUNK: tl.constexpr, OF_ALL: tl.constexpr,
):  # fmt: skip
    row, place = tl.program_id(0), tl.arange(0, CHUNK)
    start, goal = weights + row.to(tl.int64) * columns, tl.load(goals + row)
    if OF_ALL:
        total = 0.0
        for first in range(0, columns, CHUNK):
            total += tl.sum(tl.load(start + first + place, mask=first + place < columns, other=0.0))
        goal *= total
    reached, before, chunk, passed = 0.0, 0.0, 0, 0
    for first in range(0, columns, CHUNK):
        after = reached + tl.sum(tl.load(start + first + place, mask=first + place < columns, other=0.0))
        # Where no chunk passes the goal, by rounding, the last one that adds anything is meant.
        here = (passed == 0) & (after > reached)
        chunk, before = tl.where(here, first, chunk), tl.where(here, reached, before)
        passed += (after > goal).to(tl.int32)
        reached = after
    inside = tl.load(start + chunk + place, mask=chunk + place < columns, other=0.0)
    within = tl.sum((tl.cumsum(inside, 0) <= tl.maximum(goal - before, 0.0)).to(tl.int32))
    # Rounding may leave the goal at the chunk's very end: then its last column that has any weight is meant.
    last = tl.max(tl.where(inside > 0.0, place, 0))
    tl.store(out + row, (chunk + tl.minimum(within, last)).to(tl.int64))


def first_above(weights: Tensor, goal: Tensor, *, of_all: bool) -> Tensor:
    """As `sampling.first_above`, of float32 on CUDA; each row by its own program, always in one order."""
    out = torch.empty(len(weights), 1, dtype=torch.int64, device=weights.device)
    launch(
        _crossing,
        (len(weights),),
        weights.contiguous(),
        goal.contiguous(),
        out,
        weights.shape[-1],
        CHUNK=CHUNK,
        OF_ALL=of_all,
        num_warps=16,
    )
    return out
