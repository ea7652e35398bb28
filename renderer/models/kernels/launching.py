"""How Triton's kernels are launched, or compiled ahead of that: it takes seconds for each, once, kept on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import triton

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPILERS = 6  # threads; each works mostly outside of Python


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

    Raises: whatever Triton may. It is only ahead of its time: a launch compiles again, and tells.
    """
    with ThreadPoolExecutor(COMPILERS) as threads, triton.AsyncCompileMode(threads, ignore_errors=True):
        yield
