"""Attention to times and scores, against a reading of ACE-Step's page cell by cell that shares no code with ours."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from renderer.models.ace_step.protocol.alignment import consensus, token_times, warp
from renderer.models.ace_step.protocol.lyric_score import lyric_score, sung_rows

if TYPE_CHECKING:
    from renderer.artifacts import Float32s

F32 = np.float32
SECONDS = 0.08
CASES = [(2, 1, 1), (1, 5, 9), (3, 12, 4), (2, 1, 30), (4, 30, 1), (7, 40, 90), (3, 25, 26), (9, 60, 150)]


def attention(heads: int, tokens: int, frames: int, seed: int = 0) -> Float32s:
    """Shares of tokens, some along the song's way and some not, as softmax leaves them."""
    drawn = np.random.default_rng([seed, heads, tokens, frames])
    logits = drawn.standard_normal((heads, tokens, frames)) * drawn.uniform(0.5, 3.0)
    along = np.arange(frames)[None] / frames - np.arange(tokens)[:, None] / tokens
    logits += 6.0 * np.exp(-(along**2) * 300)
    shares = np.exp(logits)
    found: Float32s = (shares / shares.sum(axis=1, keepdims=True)).astype(F32)
    return found


def oracle_path(costs: Float32s) -> list[tuple[int, int]]:
    """Step 5 of the page, one cell after the other."""
    rows, columns = costs.shape
    reached = [[F32(math.inf)] * (columns + 1) for _ in range(rows + 1)]
    reached[0][0] = F32(0)
    came: dict[tuple[int, int], tuple[int, int]] = {}
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            diagonal, above, left = reached[row - 1][column - 1], reached[row - 1][column], reached[row][column - 1]
            step = (0, -1)
            if diagonal < above and diagonal < left:
                step = (-1, -1)
            elif above < diagonal and above < left:
                step = (-1, 0)
            came[row, column] = step
            reached[row][column] = F32(costs[row - 1, column - 1] + reached[row + step[0]][column + step[1]])
    path, at = [], (rows, columns)
    while at[0] > 0 and at[1] > 0:
        path.append((at[0] - 1, at[1] - 1))
        at = (at[0] + came[at][0], at[1] + came[at][1])
    return path[::-1]


def oracle_consensus(weights: Float32s) -> Any:
    """Steps 1 to 4, in float64, head by head."""
    exact = weights.astype(np.float64)
    agreed = np.empty_like(exact)
    for head, matrix in enumerate(exact):
        by_frame = np.stack([np.exp(row) / np.exp(row).sum() for row in matrix])
        by_token = np.stack([np.exp(column) / np.exp(column).sum() for column in matrix.T]).T
        both = by_frame * by_token
        both = np.clip(both - 2.0 * np.array([[np.median(row)] for row in both]), 0, None)
        both = np.clip(both - 2.0 * np.array([np.median(column) for column in both.T]), 0, None)
        agreed[head] = both**2
    return ((agreed - agreed.mean()) / (agreed.std() + 1e-9)).mean(axis=0)


def oracle_score(weights: Float32s, sung: Any) -> float:
    """E1 of the page, row by row."""
    mean = weights.astype(np.float64).mean(axis=0)
    span = mean.max() - mean.min()
    energy = (mean - mean.min()) / span if span > 1e-9 else np.zeros_like(mean)
    path = oracle_path((-(energy.astype(F32) ** 2)).astype(F32))
    covered = [row.max() > 0.1 for row, is_sung in zip(energy, sung, strict=True) if is_sung]
    middles = []
    for row, is_sung in zip(energy, sung, strict=True):
        kept = np.where(row > 0.01, row, 0)
        if is_sung and kept.sum() > 1e-9:
            middles.append(sum(share * frame for frame, share in enumerate(kept)) / kept.sum())
    ordered = [later >= earlier - 9 for earlier, later in itertools.pairwise(middles)]
    coverage = sum(covered) / len(covered) if covered else 1.0
    monotonicity = sum(ordered) / len(ordered) if ordered else 1.0
    confidence = sum(energy[cell] for cell in path) / len(path)
    return float(coverage**2 * monotonicity**2 * confidence)


@pytest.mark.parametrize("sizes", CASES, ids=str)
def test_the_path_is_the_cheapest_one_cell_by_cell(sizes: tuple[int, int, int]) -> None:
    # Of few values, so that many ways cost the same: which of them is taken decides times.
    costs = np.random.default_rng(sizes).integers(-2, 1, sizes[1:]).astype(F32)

    path = warp(costs)

    assert list(zip(path.tokens.tolist(), path.frames.tolist(), strict=True)) == oracle_path(costs)


@pytest.mark.parametrize("sizes", CASES, ids=str)
def test_agreement_of_tokens_and_frames_is_as_the_page_has_it(sizes: tuple[int, int, int]) -> None:
    weights = attention(*sizes)

    found = consensus(weights)

    assert found.dtype == F32
    # The z-score divides by a deviation of what is left of small numbers: float32 tells it to about a thousandth.
    assert found == pytest.approx(oracle_consensus(weights), abs=2e-3, rel=2e-3)


@pytest.mark.parametrize("sizes", CASES, ids=str)
def test_times_are_those_of_the_first_and_the_last_frame_of_a_token(sizes: tuple[int, int, int]) -> None:
    costs = -consensus(attention(*sizes))

    times = token_times(warp(costs), sizes[1], SECONDS)

    held, expected = 0.0, []
    for token in range(sizes[1]):
        own = [frame for row, frame in oracle_path(costs) if row == token]
        expected.append((own[0] * SECONDS, own[-1] * SECONDS) if own else (held, held))
        held = expected[-1][1]
    assert np.array(times) == pytest.approx(np.array(expected))


def test_each_token_of_sharp_attention_is_where_it_is_sung() -> None:
    frames = np.arange(60)
    weights = np.stack([(frames // 10 == token).astype(F32) for token in range(6)])[None].repeat(2, axis=0)

    times = token_times(warp(-consensus(weights)), 6, 1.0)

    assert [round(start / 10) for start, _ in times] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("sizes", CASES[1:], ids=str)
def test_the_score_is_the_pages_to_four_decimals(sizes: tuple[int, int, int]) -> None:
    weights = attention(*sizes)
    sung = np.random.default_rng(1).random(sizes[1]) > 0.2

    assert lyric_score(weights, sung).score == pytest.approx(oracle_score(weights, sung), abs=1e-4)


def test_sound_that_follows_its_lyrics_scores_above_sound_that_does_not() -> None:
    weights = attention(4, 30, 120)
    mixed = weights[:, np.random.default_rng(0).permutation(30)]
    every = np.ones(30, dtype=np.bool_)

    assert lyric_score(weights, every).score > lyric_score(mixed, every).score


def test_flat_attention_covers_nothing() -> None:
    found = lyric_score(np.full((2, 4, 9), 0.1, dtype=F32), np.ones(4, dtype=np.bool_))

    assert (found.score, found.covered.any()) == (0.0, False)


def test_a_tag_is_not_sung_however_its_brackets_are_cut_into_tokens() -> None:
    texts = ("[", "verse", "]\n", "la", " [ah]", " la", "[br", "idge", "]", "\n", "]", "la")

    assert sung_rows(texts).tolist() == [False] * 3 + [True, False, True] + [False] * 3 + [True, False, True]
