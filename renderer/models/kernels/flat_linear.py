"""Linear layers of libraries' modules on [rows, width], whatever stands before: the same bits, and one product.

In 16 bits Metal computes a layer on [rows, 1, width] as so many products of a vector, 6 to 8 times slower (M4 Pro,
pytorch/pytorch#189847). torch flattens by itself on M5 from 2.13 on, everywhere from 2.14 on (pytorch/pytorch#189496).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import linear


class FlatLinear(nn.Linear):
    """A linear layer that joins all axes but the last before its product."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """[..., width in] to [..., width out]."""
        joined = linear(input.reshape(-1, self.in_features), self.weight, self.bias)
        return joined.view(*input.shape[:-1], self.out_features)


def flatten_linears(module: Any) -> None:
    """Let every plain linear layer of a module join its axes; their weights stay where they are."""
    for child in module.modules():
        if type(child) is nn.Linear:
            # The class alone: names, weights, hooks and whatever holds the layer stay as they are.
            child.__class__ = FlatLinear
