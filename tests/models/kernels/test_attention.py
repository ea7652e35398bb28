"""What a row attends to is its own cache up to its own position, whatever lies beyond it or in its neighbours' rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from renderer.models.kernels.attention import VarlenMeta, grouped_attention
from renderer.models.kernels.decode_attention import PaddedDecode, VarlenDecode
from renderer.models.kernels.kv_cache import row_cache, zeros_by_head, zeros_by_token

CONFIG = SimpleNamespace(num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8)
LENGTH = 12
LIKE = torch.zeros(1)
POSITIONS = (0, 5, 11)


def attend(decode: PaddedDecode, query: torch.Tensor) -> torch.Tensor:
    keys, values = decode.memory[0]
    return grouped_attention(nn.Identity(), query, keys, values, decode.mask(), 8**-0.5)[0]


def full_pass(positions: tuple[int, ...], seed: int) -> tuple[PaddedDecode, torch.Tensor]:
    """Rows whose whole caches hold something, beyond their positions too, and a query for each."""
    generator = torch.Generator().manual_seed(seed)
    decode = PaddedDecode.of(CONFIG, torch.tensor(positions), LENGTH, LIKE)
    decode.memory[0].normal_(generator=generator)
    return decode, torch.randn((len(positions), 4, 1, 8), generator=generator)


def config_of(heads: tuple[int, int, int]) -> SimpleNamespace:
    """Of a layer with so many heads, so many of them keys', so wide."""
    count, kv_heads, width = heads
    return SimpleNamespace(num_hidden_layers=1, num_attention_heads=count, num_key_value_heads=kv_heads, head_dim=width)


def long_pass(heads: tuple[int, int, int], positions: tuple[int, ...]) -> tuple[PaddedDecode, torch.Tensor]:
    """Rows of 2,048 tokens, all of which hold something."""
    generator = torch.Generator().manual_seed(3)
    decode = PaddedDecode.of(config_of(heads), torch.tensor(positions), 2_048, LIKE)
    decode.memory[0].normal_(generator=generator)
    return decode, torch.randn((len(positions), heads[0], 1, heads[2]), generator=generator)


def test_a_row_attends_to_what_a_causal_prefill_of_its_tokens_attends_to() -> None:
    decode, query = full_pass(POSITIONS, 1)

    found = attend(decode, query)

    for row, position in enumerate(POSITIONS):
        keys, values = (part[row : row + 1, :, : position + 1] for part in decode.memory[0])
        whole = query[row : row + 1].expand(-1, -1, position + 1, -1)
        expected = grouped_attention(nn.Identity(), whole, keys, values, None, 8**-0.5)[0][:, -1]
        torch.testing.assert_close(found[row], expected, rtol=1e-5, atol=1e-6)


def test_what_neighbours_hold_and_what_lies_beyond_a_row_changes_none_of_its_bits() -> None:
    decode, query = full_pass(POSITIONS, 1)
    before = attend(decode, query)[1].clone()

    decode.memory[0][:, 0].normal_()
    decode.memory[0][:, 2].normal_()
    decode.memory[0][:, 1, :, 6:].normal_()
    decode.positions[0] = 9

    assert torch.equal(attend(decode, query)[1], before)


@pytest.mark.parametrize("heads", [(4, 2, 8), (8, 4, 64), (8, 2, 64), (16, 8, 128), (32, 8, 128)])
@pytest.mark.parametrize("position", [40, 141, 200, 233])
def test_how_far_neighbours_have_come_changes_none_of_a_rows_bits(heads: tuple[int, int, int], position: int) -> None:
    decode, query = long_pass(heads, (position, 0))

    found = []
    for furthest in (0, 120, 130, 255, 256, 300, 500, 600, 1_400, 2_047):
        decode.positions[1] = furthest
        found.append(attend(decode, query)[0].clone())

    assert all(torch.equal(found[0], one) for one in found[1:])


def test_positions_that_move_in_place_move_mask_and_cache() -> None:
    decode, query = full_pass((2, 3), 2)
    cache = row_cache(decode.memory, decode.positions)
    before = attend(decode, query).clone()

    decode.positions.add_(1)
    token = torch.full((2, 2, 1, 8), 7.0)
    cache.update(token, token, 0)

    assert [decode.memory[0][0, row, 0, :, 0].tolist().index(7.0) for row in (0, 1)] == [3, 4]
    assert not torch.equal(attend(decode, query), before)


@pytest.mark.parametrize("times", [1, 3])
def test_a_token_written_again_leaves_the_same_behind(times: int) -> None:
    decode, _ = full_pass(POSITIONS, 3)
    cache = row_cache(decode.memory, decode.positions)
    keys, values = (torch.randn((3, 2, 1, 8), generator=torch.Generator().manual_seed(seed)) for seed in (4, 5))
    cache.update(keys, values, 1)
    once = decode.memory[1].clone()

    for _ in range(times):
        cache.update(keys, values, 1)

    assert torch.equal(decode.memory[1], once)


def test_varlen_rows_end_at_their_positions_and_nobody_queries_the_rest() -> None:
    meta = VarlenMeta.of(torch.tensor([0, 5]), 8, 2)

    # Used and unused of each row in turns, the rows' caches behind each other.
    assert meta.cu_seqlens_k.tolist() == [0, 1, 8, 14, 16]
    assert meta.cu_seqlens_q.tolist() == [0, 2, 2, 4, 4]
    assert meta.cu_seqlens_k.dtype == meta.cu_seqlens_q.dtype == torch.int32


def test_both_ways_hold_caches_of_one_shape_each_laid_as_its_kernel_reads_it() -> None:
    by_head, by_token = (make(CONFIG, 3, LENGTH, LIKE) for make in (zeros_by_head, zeros_by_token))

    assert [layer.shape for layer in by_head] == [layer.shape for layer in by_token] == [(2, 3, 2, LENGTH, 8)] * 2
    assert by_head[0][0].is_contiguous()
    assert by_token[0][0].transpose(1, 2).is_contiguous()
    varlen = VarlenDecode.of(CONFIG, torch.tensor(POSITIONS), LENGTH, LIKE)
    assert varlen.groups == 2
    assert varlen.memory[0].stride() == by_token[0].stride()
