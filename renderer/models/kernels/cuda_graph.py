"""A fixed chain of operations as a CUDA graph: recorded once, then launched with one call, in the same kernels.

A decoding step's hundreds of kernels each take less time than the host needs to launch them; a graph launches them all.
It replays the same kernels on the same addresses, so what it reads is written into its own tensors first, no shape may
follow from data, and nothing in it may wait for the host.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import torch

from renderer.models.kernels.warning_filters import filtered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SCARCE_BYTES = 2_000_000_000


class Launch(Protocol):
    """How a fixed chain of operations is launched, again and again."""

    def __call__(self, operations: Callable[[], None]) -> Callable[[], None]:
        """What to call in place of `operations`, which may be run a few times now."""


def eager(operations: Callable[[], None]) -> Callable[[], None]:
    """One operation after the other, as they stand."""
    return operations


def cuda_graph(operations: Callable[[], None]) -> Callable[[], None]:
    """All at once, on the current CUDA device."""
    device = torch.device("cuda", torch.cuda.current_device())
    torch.cuda.synchronize(device)
    with torch.cuda.stream(_recording_stream(device)):
        # A warmup: libraries set themselves up in the first run, which a graph can't record.
        operations()
    return record(operations, device).replay


def record(operations: Callable[[], None], device: torch.device, pool: Any = None) -> torch.cuda.CUDAGraph:
    """A fixed chain of operations that has run before, as a CUDA graph of the same kernels; what it reads stays put.

    Graphs with one `pool` (`torch.cuda.graph_pool_handle`) work in the same memory, so they may not run at once, and
    what one leaves there is gone with the next.
    """
    graph = torch.cuda.CUDAGraph()
    # Not torch.cuda.graph, which gives all free memory back at each, the host's too.
    torch.cuda.synchronize(device)
    if torch.cuda.mem_get_info(device)[0] < SCARCE_BYTES:
        torch.cuda.empty_cache()  # what torch keeps for others is out of a recording's reach
    with torch.cuda.stream(_recording_stream(device)), _own_workspaces():
        # What other threads do meanwhile is nothing to the recording.
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            operations()
        finally:
            _end(graph)
    return graph


def _end(graph: torch.cuda.CUDAGraph) -> None:
    """End a recording; one that holds nothing is an error, where torch only warns: its replays would do nothing."""
    with filtered("error", ".*Graph is empty"):
        graph.capture_end()


@contextmanager
def _own_workspaces() -> Iterator[None]:
    """Have what is recorded within take cuBLAS's working memory from its own pool, where it stays as long as the graph.

    Otherwise graphs of one stream share it, and it goes with the first of them (pytorch/pytorch#193402).
    """
    torch._C._cuda_clearCublasWorkspaces()  # noqa: SLF001 - as torch's own cudagraph_trees does
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()  # noqa: SLF001


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings: libraries keep memory for each stream they have worked on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch's own gap
