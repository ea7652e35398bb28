"""On a CPU a row reads its own cache as far as its own token, and computes what transformers' model computes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch

from renderer.models.ace_step.lm.apart_rows import ApartRows
from renderer.models.ace_step.lm.decoder import Rows, TorchRows
from renderer.models.ace_step.lm.pass_spec import LogitSlice, PassSpec, SamplingFeatures
from renderer.models.ace_step.lm.prefill import ApartPrompts, EagerPrompts, Prefill
from renderer.models.kernels.decode_attention import PaddedDecode
from tests.models.ace_step.asks import load

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = SamplingFeatures(guided=False, penalised=False, top_k=False, top_p=False)
SPEC = PassSpec(length=64, logit_slice=LogitSlice(first=3, stop=90, end=1), features=FEATURES)
PROMPTS = (tuple(range(5, 45)), tuple(range(60, 68)))
TOKENS, POSITIONS = torch.tensor([[44], [67]]), torch.tensor([39, 7])


def rows_of(lm: Any, kind: type[ApartRows] | partial[TorchRows]) -> Rows:
    made: Rows = (kind.of if kind is ApartRows else kind)(lm, SPEC, TOKENS, POSITIONS.clone())
    for row in (0, 1):
        made.fill(row, lm.prefill(PROMPTS), row)
    return made


@torch.inference_mode()
def test_rows_compute_what_transformers_model_computes_up_to_rounding(tiny_set: Path) -> None:
    lm = load(tiny_set)._lm

    found = rows_of(lm, ApartRows).logits()

    expected = rows_of(lm, partial(TorchRows.of, PaddedDecode.of)).logits()
    assert found.shape == (2, 88)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_nothing_behind_a_rows_own_token_is_read(tiny_set: Path) -> None:
    rows: Any = rows_of(load(tiny_set)._lm, ApartRows)
    before = rows.logits()

    for memory in rows.memory:
        memory[:, 0, :, 40:] = torch.nan
        memory[:, 1, :, 8:] = torch.nan

    assert torch.equal(rows.logits(), before)
    assert torch.equal(rows.logits(), before)  # written again at the same places


@pytest.mark.parametrize("other", [2, 20, 40])
@torch.inference_mode()
def test_a_prompts_cache_is_the_same_bits_beside_any_other(tiny_set: Path, other: int) -> None:
    model: Any = load(tiny_set)._lm
    apart = Prefill(ApartPrompts(model.model.model), prompt_bucket=1)
    alone = apart([PROMPTS[0]]).memory

    both = apart([PROMPTS[0], tuple(range(100, 100 + other))]).memory

    for one, two in zip(alone, both, strict=True):
        assert torch.equal(one[:, 0], two[:, 0])


@torch.inference_mode()
def test_prompts_apart_are_heard_as_prompts_filled_up(tiny_set: Path) -> None:
    model: Any = load(tiny_set)._lm
    ways = [Prefill(forward(model.model.model), prompt_bucket=1)(PROMPTS) for forward in (ApartPrompts, EagerPrompts)]

    for apart, filled in zip(*(way.memory for way in ways), strict=True):
        for row, length in enumerate(ways[0].lengths):
            torch.testing.assert_close(apart[:, row, :, :length], filled[:, row, :, :length], rtol=1e-4, atol=1e-5)
