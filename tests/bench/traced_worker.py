"""The worker with a trace of what its CUDA device does; `full_size --trace` starts it.

The trace begins with the second batch, whose kernels are loaded and compiled by then, and is written where
`RENDERER_TRACE` says before the batch's last word: seconds of each command and how many of them kernels or copies ran,
the kernels that took longest, and how long the device idled in short and in long gaps.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from renderer.run import worker
from renderer.run.messages import Ended, LoadPart, RunJobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from renderer.run.messages import Command, Event

NUM_KERNELS = 15  # told of each command
SHORT_NS = 1_000_000


class TracedWorker(worker.Worker):
    """Notes when commands begin and end."""

    def __init__(self, **pipes: Any) -> None:
        super().__init__(**pipes)
        self._batches = 0
        self._spans: list[tuple[str, int, int]] = []
        self._profile: Any = None

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, LoadPart) and command.part.part == "lm":
            self._batches += 1
            if self._batches == 2:
                kinds = torch.profiler.ProfilerActivity
                # On a CPU, where this is only rehearsed, there is nothing that it would tell.
                kind = kinds.CUDA if torch.cuda.is_available() else kinds.CPU
                self._profile = torch.profiler.profile(activities=[kind])
                self._profile.start()
        began = time.time_ns()
        super()._carry_out(command)
        self._spans.append((_name(command), began, time.time_ns()))

    def _run(self, command: RunJobs) -> None:
        began, outbox = time.time_ns(), self._outbox
        if self._profile is None or command.part != "vae":
            super()._run(command)
            return
        put = outbox.put

        def last(message: Event) -> None:
            # The parent ends this process soon after the batch's last word.
            if isinstance(message, Ended):
                self._profile.stop()
                write([*self._spans, ("run vae", began, time.time_ns())], self._profile)
            put(message)

        outbox.put = last  # type: ignore[method-assign]
        super()._run(command)


def _name(command: Command) -> str:
    match command:
        case LoadPart():
            return f"load {command.part.part}"
        case RunJobs():
            return f"run {command.part}"
    return type(command).__name__


def write(spans: list[tuple[str, int, int]], profile: Any) -> None:
    """The trace as JSON."""
    did = [
        (event.start_ns(), event.start_ns() + event.duration_ns(), event.name())
        for event in profile.profiler.kineto_results.events()
        if event.device_type() == torch.autograd.DeviceType.CUDA
    ]
    begin, end = profile_bounds(spans, did)
    busy = united((start, stop) for start, stop, _ in did)
    edges = [(begin, begin), *busy, (end, end)]
    gaps = [after[0] - before[1] for before, after in pairwise(edges)]
    found = {
        "commands": [told(*span, did, busy) for span in spans if span[1] >= begin],
        "idle seconds in gaps below 1 ms": sum(gap for gap in gaps if gap < SHORT_NS) / 1e9,
        "idle seconds in longer ones": sum(gap for gap in gaps if gap >= SHORT_NS) / 1e9,
    }
    Path(os.environ["RENDERER_TRACE"]).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def profile_bounds(spans: list[tuple[str, int, int]], did: list[tuple[int, int, str]]) -> tuple[int, int]:
    """When the last batch began to load its LM, and when all was over."""
    begin = max(began for what, began, _ in spans if what == "load lm")
    return begin, max([spans[-1][2], *(stop for _, stop, _ in did)])


def told(
    what: str, began: int, ended: int, did: list[tuple[int, int, str]], busy: list[tuple[int, int]]
) -> dict[str, Any]:
    """One command."""
    seconds, counts = Counter[str](), Counter[str]()
    for start, stop, name in did:
        if began <= start < ended:
            seconds[name] += stop - start
            counts[name] += 1
    return {
        "what": what,
        "seconds": (ended - began) / 1e9,
        "busy seconds": sum(max(0, min(stop, ended) - max(start, began)) for start, stop in busy) / 1e9,
        "kernels": [
            {"name": name[:100], "seconds": taken / 1e9, "count": counts[name]}
            for name, taken in seconds.most_common(NUM_KERNELS)
        ],
    }


def united(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without overlaps, in order."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found


if __name__ == "__main__":
    worker.Worker = TracedWorker  # type: ignore[misc]
    worker.main()
