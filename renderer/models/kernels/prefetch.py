"""The host ahead of its device: steps queued while earlier ones are computed, the next job prefetched meanwhile.

A device is idle while the host works out what to launch next, unless something is queued. Results are handed on only
once the device has made them, so progress and cancellation stay true.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from renderer.models import device as devices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import torch

T = TypeVar("T")

STEPS_AHEAD = 7  # on CUDA: a turbo take's others, computed while the host makes the next take's conditions


class Prefetch(Generic[T]):
    """An iterator whose next value can be fetched before it is asked for; its work is then done already."""

    def __init__(self, values: Iterable[T]) -> None:
        self._values = iter(values)
        self._fetched: deque[T] = deque()

    def fetch(self) -> None:
        """Have the next value ready."""
        if not self._fetched:
            self._fetched.extend(islice(self._values, 1))

    def __iter__(self) -> Iterator[T]:
        """Hand over the values, each once."""
        self.fetch()
        while self._fetched:
            yield self._fetched.popleft()
            self.fetch()


def as_completed(steps: Iterable[T], device: torch.device, meanwhile: Callable[[], None] = lambda: None) -> Iterator[T]:
    """Each step once the device has made it, with a few queued behind it; `meanwhile` runs before the first wait."""
    marked = ((step, devices.mark(device)) for step in steps)
    queued = deque(islice(marked, 1 + (STEPS_AHEAD if device.type == "cuda" else 0)))
    meanwhile()
    while queued:
        step, wait = queued.popleft()
        wait()
        yield step
        # One in for each one out: so many are queued, no more, as what is queued can't be cancelled and holds memory.
        queued.extend(islice(marked, 1))
