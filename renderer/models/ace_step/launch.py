"""Ways to start one fixed chain of operations on a device, again and again."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


class Launch(Protocol):
    """How a fixed chain of operations is started, again and again."""

    def __call__(self, operations: Callable[[], None]) -> Callable[[], None]:
        """What to call in place of `operations`, which may be run a few times now."""


def eagerly(operations: Callable[[], None]) -> Callable[[], None]:
    """One operation after the other, as they stand."""
    return operations


def as_graph(operations: Callable[[], None]) -> Callable[[], None]:
    """All at once as a CUDA graph: a step is bound by the host's launches otherwise."""
    device = torch.device("cuda", torch.cuda.current_device())
    torch.cuda.synchronize(device)
    with torch.cuda.stream(_recording_stream(device)):
        # Libraries set themselves up in it, which a graph can't record.
        operations()
    return record(operations, device).replay


def record(operations: Callable[[], None], device: torch.device) -> torch.cuda.CUDAGraph:
    """A fixed chain of operations that has run before, as a CUDA graph of the same kernels; what it reads stays put."""
    graph = torch.cuda.CUDAGraph()
    # Not torch.cuda.graph, which gives all free memory back at each, the host's too.
    torch.cuda.synchronize(device)
    with torch.cuda.stream(_recording_stream(device)):
        # What other threads do meanwhile is nothing to the recording.
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            operations()
        finally:
            graph.capture_end()
    return graph


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings: libraries keep memory for each stream they have worked on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own gap
