"""Prompts are heard as they are, whatever fills them up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from renderer.models.ace_step.lm.prefill import EagerPrompts, Prefill
from tests.models.ace_step.asks import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("lengths", [(2, 2), (65, 9), (64, 128), (200, 1)])
@torch.inference_mode()
def test_filled_up_prompts_leave_the_same_keys_and_values_up_to_rounding(
    tiny_set: Path, lengths: tuple[int, ...]
) -> None:
    loaded: Any = load(tiny_set)._lm
    drawn = torch.Generator().manual_seed(1)
    prompts = [tuple(torch.randint(1, 200, (length,), generator=drawn).tolist()) for length in lengths]
    forward = EagerPrompts(loaded.model.model)
    alone = [Prefill(forward, prompt_bucket=1)([prompt]) for prompt in prompts if len(prompt) > 1]

    filled = Prefill(forward, prompt_bucket=64)(prompts)

    assert filled.memory[0].shape[3] == -(-(max(lengths) - 1) // 64) * 64
    assert filled.lengths == tuple(length - 1 for length in lengths)
    assert filled.last == tuple(prompt[-1] for prompt in prompts)
    for row, one in enumerate(alone):
        for heard, told in zip(filled.memory, one.memory, strict=True):
            torch.testing.assert_close(heard[:, row, :, : one.lengths[0]], told[:, 0], rtol=1e-4, atol=1e-5)
