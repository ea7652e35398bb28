"""What a computation makes on its way: every result of every operation, seen below torch's own functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renderer.models.ace_step.dit.velocity import Conditions, ResidentDit


class Large(TorchDispatchMode):
    """Remembers the dtype of each new tensor of at least so many elements; views of older ones don't count."""

    def __init__(self, num_elements: int) -> None:
        super().__init__()
        self.num_elements = num_elements
        self.made: list[torch.dtype] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        results = func(*args, **(kwargs or {}))
        known = {tensor.data_ptr() for tensor in torch.utils._pytree.tree_leaves(args) if torch.is_tensor(tensor)}
        for tensor in torch.utils._pytree.tree_leaves(results):
            if torch.is_tensor(tensor) and tensor.numel() >= self.num_elements and tensor.data_ptr() not in known:
                self.made.append(tensor.dtype)
        return results


@torch.no_grad()
def one_matrix_a_take(dit: ResidentDit, conditions: Conditions, latents: torch.Tensor) -> None:
    """A take makes no more than one matrix of patches by patches, none of int64; its steps make none."""
    matrix = (latents.shape[1] // 2) ** 2
    with Large(matrix) as once:
        velocity = dit.velocity(conditions)
    assert torch.int64 not in once.made
    assert len(once.made) <= 1
    with Large(matrix) as each_step:
        velocity(latents, 1.0)
        velocity(latents.repeat(2, 1, 1), 0.5)
    assert each_step.made == []
