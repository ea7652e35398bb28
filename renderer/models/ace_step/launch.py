"""Ways to start one fixed chain of operations on a device, again and again."""

from __future__ import annotations

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
    warm_up = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's own gap
    warm_up.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(warm_up):
        for _ in range(2):
            operations()
    torch.cuda.current_stream().wait_stream(warm_up)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        operations()
    return graph.replay
