"""Modules without memory for their weights, built in a fraction of the time: the files give all values."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@contextmanager
def meta_init() -> Iterator[None]:
    """Within, modules are made on the meta device, and nothing is drawn or normalised for them."""
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Leaves first values out: on the meta device torch works through each of them in Python."""

    # As torch declares it.
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        # What initialises in place gives the tensor back, so that constructors go on as if it had been filled.
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        if func is torch._weight_norm:  # noqa: SLF001 - what weight_norm calls
            return args[0].detach()
        if func is torch.norm_except_dim:
            direction, _, dim = args
            return direction.new_empty([size if axis == dim else 1 for axis, size in enumerate(direction.shape)])
        return func(*args, **kwargs)
