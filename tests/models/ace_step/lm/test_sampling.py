"""Drawing a token: each operation against its plain definition, the whole against its distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from renderer.models.ace_step.lm import sampling


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values).unsqueeze(-1)


def sorted_nucleus(logits: torch.Tensor, top_p: float) -> set[int]:
    """The nucleus by sorting: what comes before the cumulative sum passes top_p, the crossing one included."""
    order = logits.argsort(descending=True)
    cumulative = logits.softmax(-1)[order].cumsum(-1)
    kept = torch.cat([torch.tensor([True]), cumulative[:-1] <= top_p])
    return set(order[kept].tolist())


def test_rows_are_sorted_as_torch_sorts_them() -> None:
    values = torch.randn(4, 5_000, generator=torch.Generator().manual_seed(4))
    values[0, ::3], values[1, 7], values[2, :2_000] = 0.25, torch.nan, -torch.inf

    ordered = sampling._descending(values)

    assert torch.equal(ordered.nan_to_num(9.0), values.sort(dim=-1, descending=True).values.nan_to_num(9.0))


@pytest.mark.parametrize("top_p", [0.05, 0.3, 0.9, 0.99])
def test_the_nucleus_is_the_one_that_sorting_finds(top_p: float) -> None:
    logits = torch.randn(6, 3000, generator=torch.Generator().manual_seed(1)) * 3

    kept = sampling.keep_nucleus(logits, column(*[top_p] * 6))

    for row, before in zip(kept, logits, strict=True):
        assert set(row.isfinite().nonzero().squeeze(-1).tolist()) == sorted_nucleus(before, top_p)


def test_the_most_probable_column_always_stays() -> None:
    kept = sampling.keep_nucleus(torch.tensor([[0.0, 9.0, 1.0]]), column(0.01))

    assert kept.isfinite().tolist() == [[False, True, False]]


def test_a_nucleus_close_to_the_whole_keeps_what_has_any_probability() -> None:
    logits = torch.full((1, 700), -torch.inf)
    logits[0, :300] = torch.linspace(3, -3, 300)

    kept = sampling.keep_nucleus(logits, column(1 - 2**-24))

    assert kept.isfinite().sum() == 300


@pytest.mark.parametrize("sharpness", [0.5, 3.0, 8.0])
def test_looking_at_the_likeliest_alone_keeps_the_same_columns(
    sharpness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they don't reach: of flat rows all are looked at."""
    logits = torch.randn(6, 64_001, generator=torch.Generator().manual_seed(5)) * sharpness
    logits[5] = torch.nan
    top_p = column(0.5, 0.9, 0.99, 1.0, 0.0, 0.9)
    found = sampling.keep_nucleus(logits, top_p)

    monkeypatch.setattr(sampling, "LIKELIEST", 10**6)

    assert torch.equal(found[:5], sampling.keep_nucleus(logits, top_p)[:5])


@pytest.mark.parametrize("off", [0.0, 1.0, 1.5])
def test_a_nucleus_that_is_off_changes_nothing(off: float) -> None:
    logits = torch.randn(2, 50)

    assert torch.equal(sampling.keep_nucleus(logits, column(off, off)), logits)


def test_each_row_keeps_its_own_number_of_columns() -> None:
    logits = torch.randn(4, 500, generator=torch.Generator().manual_seed(2)) * 10
    top_k = torch.tensor([[1], [7], [400], [0]], dtype=torch.int64)

    kept = sampling.keep_top_k(logits, top_k)

    assert kept.isfinite().sum(-1).tolist() == [1, 7, 400, 500]
    for row, before, k in zip(kept[:3], logits, top_k, strict=False):
        assert torch.equal(row.sort(descending=True).values[:k], before.topk(int(k)).values)


def test_the_penalty_pushes_down_what_was_seen() -> None:
    logits = torch.tensor([[2.0, -2.0, 2.0]])

    pushed = sampling.penalise(logits, torch.tensor([[True, True, False]]), column(2.0))

    assert pushed.tolist() == [[1.0, -4.0, 2.0]]


def test_guidance_moves_away_from_the_unconditional_row() -> None:
    guided = sampling.guide(torch.tensor([[3.0]]), torch.tensor([[1.0]]), column(2.5))

    assert guided.tolist() == [[6.0]]


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([1.0, 3.0, -torch.inf, 2.0, 2.5, 0.0])
    num_draws = 20_000
    uniforms = torch.from_numpy(sampling.uniforms(5, 1, num_draws)).unsqueeze(-1)

    drawn = sampling.draw(logits.expand(num_draws, -1), torch.full((num_draws, 1), 0.7), uniforms)

    counts = np.bincount(drawn.squeeze(-1).numpy(), minlength=6)
    expected = torch.softmax(logits.double() / 0.7, -1).numpy() * num_draws
    assert counts[2] == 0
    assert chisquare(np.delete(counts, 2), np.delete(expected, 2)).pvalue > 0.001


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24])
def test_a_column_without_probability_is_never_drawn(uniform: float) -> None:
    """Also at the very ends of the interval, where rounding could point past the last column."""
    logits = torch.full((1, 1000), -torch.inf)
    logits[0, [3, 300, 777]] = torch.tensor([0.1, 0.2, 0.3])

    drawn = sampling.draw(logits, column(1.0), column(uniform))

    assert drawn.item() in {3, 300, 777}


def test_the_ends_of_the_interval_are_the_first_and_the_last_column() -> None:
    logits = torch.zeros(2, 5000)

    drawn = sampling.draw(logits, column(1.0, 1.0), column(0.0, 1 - 2**-24))

    assert drawn.squeeze(-1).tolist() == [0, 4999]


def test_a_temperature_of_zero_takes_the_largest() -> None:
    assert sampling.draw(torch.tensor([[0.0, 5.0, 4.9]]), column(0.0), column(0.999)).item() == 1


def test_a_seed_and_a_stream_name_the_same_numbers_everywhere() -> None:
    numbers = sampling.uniforms(7, 1, 1000)

    assert numbers.dtype == np.float32
    assert numbers[:3].tolist() == [0.8824667930603027, 0.36903828382492065, 0.5170696377754211]
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.array_equal(numbers[:10], sampling.uniforms(7, 1, 10))
    assert not np.array_equal(numbers, sampling.uniforms(7, 2, 1000))
