"""Each convolution's normalised weight computed once: the same bits, not at every tile."""

from __future__ import annotations

import warnings
from typing import Any

import torch


@torch.no_grad()
def fold_weight_norm(half: Any) -> None:
    """Of a VAE's encoder or decoder, in place."""
    for module in list(half.modules()):
        if hasattr(module, "weight_g"):
            with warnings.catch_warnings():
                # torch's new spelling has other names, which the files don't.
                warnings.filterwarnings("ignore", category=FutureWarning)
                torch.nn.utils.remove_weight_norm(module)
