"""A stage's jobs -> the batches they are handed out in: by their number and the settings, never by who is free."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from renderer.models.family import part_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.models.model_files import Settings
    from renderer.plan.jobs import Job

FINEST = 8
"""Pieces a worker, at most so many: between two batches a device waits for a moment."""


def cut(jobs: Sequence[Job], workers: Sequence[Settings]) -> Iterator[tuple[Job, ...]]:
    """The jobs, of one part, in their order; a single worker gets as many at once as it may."""
    part = part_of(jobs[0].files, jobs[0].part)
    slots, start = part.slots(workers[0]), 0
    while start < len(jobs):
        size = min(part.window, _size(len(jobs), len(jobs) - start, slots, len(workers)))
        yield tuple(jobs[start : start + size])
        start += size


def _size(number: int, left: int, slots: int, num_workers: int) -> int:
    if num_workers == 1:
        return number
    if slots > 1:
        # Half-filled slots take as long as full ones: fewer pieces than workers leave some to the next part.
        return slots * max(1, number // (slots * num_workers))
    # Large pieces first, small ones last, so that workers end together.
    return max(ceil(left / (2 * num_workers)), ceil(number / (FINEST * num_workers)))
