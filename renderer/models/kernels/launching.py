"""How Triton's kernels are launched, or compiled ahead of that: it takes seconds for each, once, kept on disk."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import torch
import triton

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPILERS = 6  # threads; each works mostly outside of Python


def begin_triton() -> None:
    """Begin, once a process, what Triton does before its first kernel, whether that is kept on disk or not.

    It names what it keeps by a digest of itself: half a second, in which others run, and as much again for an import.
    """

    def read() -> None:
        with suppress(Exception):  # by names that are Triton's own: where they are others, the first kernel waits
            importlib.import_module("triton.runtime.cache").triton_key()
            importlib.import_module("triton.experimental.gluon")

    threading.Thread(target=read, daemon=True).start()


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **sizes: Any) -> None:
    """Run a kernel; when its first tensor is on the meta device, compile it for such tensors."""
    if arguments[0].is_meta:
        dtypes = [one.dtype if isinstance(one, torch.Tensor) else one for one in arguments]
        kernel.warmup(*dtypes, grid=grid, **sizes)
    else:
        kernel[grid](*arguments, **sizes)


@contextmanager
def compiled_together() -> Iterator[None]:
    """Within, kernels are compiled beside each other; left when all are.

    It is only ahead of its time, so whatever goes wrong ends it quietly: a launch of such a kernel tells.
    """
    with (
        suppress(Exception),
        ThreadPoolExecutor(COMPILERS) as threads,
        triton.AsyncCompileMode(threads, ignore_errors=True),
    ):
        yield
