"""What stages and loads took in earlier runs, or in `renderer bench` -> how long they are expected to take."""

from __future__ import annotations

from collections import defaultdict, deque
from statistics import median
from typing import TYPE_CHECKING

from renderer.models.bench.record import recall
from renderer.run.expected import Expected
from renderer.store.journal_lines import BatchDoneLine

if TYPE_CHECKING:
    from renderer.plan.jobs import Job
    from renderer.run.events import BatchDone
    from renderer.store.journal import Journal

MOST_REMEMBERED = 50
"""Batches of a stage, the latest: a machine changes."""


def batch_done(event: BatchDone, job: Job, device: str) -> BatchDoneLine:
    """The journal's line of a batch; `job` is one of its."""
    return BatchDoneLine(
        stage=job.stage,
        weights=job.settings.weights,
        device=device.partition(":")[0],
        seconds=event.seconds,
        song_seconds=event.song_seconds,
        load_seconds=event.load_seconds,
        is_first=event.is_first,
    )


def expected_times(journal: Journal, device: str) -> Expected:
    """The middle of what the journal tells of this kind of device, else what a bench did, else the stages' own rows."""
    paces, first_paces, loads = _recent(), _recent(), _recent()
    firsts: list[tuple[str, float]] = []
    for entry in journal.lines("batch-done"):
        line = entry.line
        if not isinstance(line, BatchDoneLine) or line.device != device.partition(":")[0] or not line.song_seconds:
            continue
        # The first one of a process compiles, records and warms up: it counts where there is no other.
        known = first_paces if line.is_first else paces
        known[line.stage, line.weights].append(line.seconds / line.song_seconds)
        if line.load_seconds is not None and line.is_first:
            firsts.append((line.weights, line.load_seconds))
        elif line.load_seconds is not None:
            loads[line.weights, ""].append(line.load_seconds)
    usual = {weights: median(seconds) for (weights, _), seconds in loads.items()}
    starts = [max(0.0, seconds - usual.get(weights, 0.0)) for weights, seconds in firsts[-MOST_REMEMBERED:]]
    benched = recall(device)
    return Expected(
        paces={(one.stage, one.weights): one.pace for one in benched.paces}
        | {stage: median(told) for stage, told in (first_paces | paces).items()},
        loads={one.weights: one.seconds for one in benched.loads} | usual,
        start=median(starts) if starts else 0.0,
    )


def _recent() -> defaultdict[tuple[str, str], deque[float]]:
    return defaultdict(lambda: deque(maxlen=MOST_REMEMBERED))
