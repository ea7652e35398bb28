"""Each convolution's normalised weight computed once: the same bits, not at every tile."""

from __future__ import annotations

from typing import Any

import torch

from renderer.models.kernels.warning_filters import filtered


@torch.no_grad()
def fold_weight_norm(half: Any) -> None:
    """Of a VAE's encoder or decoder, in place."""
    for module in list(half.modules()):
        if hasattr(module, "weight_g"):
            # torch's new spelling has other names, which the files don't.
            with filtered("ignore", "", FutureWarning):
                torch.nn.utils.remove_weight_norm(module)
