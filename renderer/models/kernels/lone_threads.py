"""Threads in each of which torch computes by itself: work cut by whoever has it, not by every operation.

An operation on a few hundred kilobytes, which stay in a core's cache, is over before another thread is awake.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


def lone_threads(number: int) -> ThreadPoolExecutor:
    """So many, all started; they end when nobody holds the executor any more."""
    together = Barrier(number + 1)

    def begin() -> None:
        torch.set_num_threads(1)
        together.wait()

    threads, before = ThreadPoolExecutor(number, initializer=begin), torch.get_num_threads()
    for _ in range(number):
        threads.submit(int)
    together.wait()
    # The number is each thread's own, but for what torch tells later threads and MKL.
    torch.set_num_threads(before)
    return threads
