"""Alignment as a CUDA device computes it, against the CPU's; what needs no such device runs on the CPU's tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from renderer.models.ace_step.dit import device_alignment
from renderer.models.ace_step.protocol.alignment import consensus, warp_all
from renderer.models.ace_step.protocol.lyric_score import energy_of
from tests.models.ace_step.protocol.test_alignment import CASES, attention

CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", CASES, ids=str)
def test_agreement_is_the_cpus(device: str, sizes: tuple[int, int, int]) -> None:
    weights = attention(*sizes)

    found = device_alignment.consensus(torch.from_numpy(weights).to(device))

    assert found.cpu().numpy() == pytest.approx(consensus(weights), abs=2e-4, rel=2e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", CASES, ids=str)
def test_energies_are_the_cpus(device: str, sizes: tuple[int, int, int]) -> None:
    weights = attention(*sizes)

    found = device_alignment.energy_of(torch.from_numpy(weights).to(device))

    assert found.cpu().numpy() == pytest.approx(energy_of(weights), abs=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_attention_that_tells_nothing_has_no_energy(device: str) -> None:
    even = torch.full((2, 3, 5), 0.25, device=device)

    assert not device_alignment.energy_of(even).any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 5, 9), (1, 12, 4), (3, 1, 30), (2, 30, 1), (4, 60, 150)], ids=str)
@pytest.mark.parametrize("kind", ["ties", "shares", "even"])
def test_ways_are_the_cpus_bit_for_bit(device: str, shape: tuple[int, int, int], kind: str) -> None:
    drawn = np.random.default_rng(shape)
    costs = {
        "ties": drawn.integers(-2, 1, shape),
        "shares": -(drawn.random(shape) ** 4),
        "even": np.zeros(shape),
    }[kind].astype(np.float32)

    found = device_alignment.warped(torch.from_numpy(costs).to(device))

    for one, expected in zip(found, warp_all(costs), strict=True):
        assert np.array_equal(one.tokens, expected.tokens)
        assert np.array_equal(one.frames, expected.frames)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", [(3, 1_000, 2_250), (3, 2_048, 7_500), (1, 1_500, 100)], ids=str)
def test_ways_of_whole_songs_are_the_cpus_bit_for_bit(shape: tuple[int, int, int]) -> None:
    costs = -(np.random.default_rng(shape).random(shape, dtype=np.float32) ** 8)

    found = device_alignment.warped(torch.from_numpy(costs).to("cuda"))

    for one, expected in zip(found, warp_all(costs), strict=True):
        assert np.array_equal(one.tokens, expected.tokens)
        assert np.array_equal(one.frames, expected.frames)
