"""Linear layers of a few rows on x86 in float32: weights that oneDNN lays out once, for its own kernels.

A step of few rows is bound by reading weights: MKL lays them out anew in each, and takes two to three times as long.
torch's compiler makes its linear layers by the same two operations (`torch/_inductor/mkldnn_lowerings.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import linear

if TYPE_CHECKING:
    from torch import Tensor


def packed(weight: Tensor, rows: int) -> Tensor:
    """A weight [out, in] as `product` reads it fastest, for about so many rows; opaque to all else.

    As it is where torch was built without oneDNN: then its BLAS computes, which rounds otherwise, as any other does.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch's own gap
        return weight
    found: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)  # noqa: SLF001 - no other name
    return found


def product(states: Tensor, weight: Tensor) -> Tensor:
    """[rows, in] to [rows, out], by a weight that is packed or not; what a row gives hangs on no other row."""
    if not weight.is_mkldnn:
        return linear(states, weight)
    found: Tensor = torch.ops.mkldnn._linear_pointwise(states, weight, None, "none", [], "")  # noqa: SLF001 - as above
    return found


def pack_layers(model: Any, rows: int) -> None:
    """Pack the weights of a model's layers that `qwen3.fuse` has changed; one by one, so that few are held twice."""
    for layer in model.layers:
        for module, names in ((layer.self_attn, ("weight", "out")), (layer.mlp, ("weight", "down"))):
            for name in names:
                weight = packed(getattr(module, name), rows)
                setattr(module, name, torch.nn.Parameter(weight, requires_grad=False))
