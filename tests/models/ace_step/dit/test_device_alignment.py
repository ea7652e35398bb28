"""Alignment as a CUDA device computes it, against the CPU's; what needs no such device runs on the CPU's tensors."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from renderer.models.ace_step.dit import device_alignment
from renderer.models.ace_step.protocol.alignment import consensus, warp, warp_all
from renderer.models.ace_step.protocol.lyric_score import energy_of, score_costs, shares_along
from renderer.models.kernels.time_warping import WarpedWays, kernel_of, warp_ways
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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 5, 9), (1, 12, 4), (3, 1, 30), (2, 30, 1), (4, 60, 150)], ids=str)
@pytest.mark.parametrize("kind", ["ties", "shares", "even"])
def test_ways_are_the_cpus_bit_for_bit(shape: tuple[int, int, int], kind: str) -> None:
    drawn = np.random.default_rng(shape)
    costs = {
        "ties": drawn.integers(-2, 1, shape),
        "shares": -(drawn.random(shape) ** 4),
        "even": np.zeros(shape),
    }[kind].astype(np.float32)

    same_ways(costs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", [(3, 1_000, 2_250), (3, 2_048, 7_500), (1, 1_500, 100)], ids=str)
def test_ways_of_whole_songs_are_the_cpus_bit_for_bit(shape: tuple[int, int, int]) -> None:
    same_ways(-(np.random.default_rng(shape).random(shape, dtype=np.float32) ** 8))


def same_ways(costs: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    found = warp_ways(torch.from_numpy(costs).to("cuda"))
    assert found is not None
    on_host = WarpedWays(tokens=found.tokens.cpu(), frames=found.frames.cpu(), lengths=found.lengths.cpu())
    for one, expected in zip(device_alignment.paths(on_host), warp_all(costs), strict=True):
        assert np.array_equal(one.tokens, expected.tokens)
        assert np.array_equal(one.frames, expected.frames)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device")
def test_where_no_kernel_can_be_had_the_log_tells_why(caplog: pytest.LogCaptureFixture) -> None:
    assert kernel_of(torch.device("cuda:5")) is None
    assert "time warping runs on the CPU: " in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("used", [False, True], ids=["first", "behind others"])
def test_a_thread_that_launched_nothing_makes_the_kernel(used: bool) -> None:
    """As the one that works ahead of the DiT does; in a process of its own, so that no other test launched before."""
    code = f"""
from threading import Thread
import torch
from renderer.models.kernels.time_warping import kernel_of, make_kernel, warp_ways
device, made = torch.device("cuda", torch.cuda.device_count() - 1), []
costs = torch.rand(2, 5, 9, device=device) if {used} else None
thread = Thread(target=lambda: made.append(make_kernel(device)))
thread.start()
thread.join()
assert made == [kernel_of(device)]
costs = torch.rand(2, 5, 9, device=device)
print(len(warp_ways(costs).lengths.tolist()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "2\n")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", [size for size in CASES if size[2] > 1], ids=str)
def test_what_is_told_of_a_take_is_the_cpus(device: str, sizes: tuple[int, int, int]) -> None:
    """On a CPU as on a CUDA device that can't make the kernel: the paths are found by numpy."""
    before, after = attention(*sizes), attention(*sizes)[:, ::-1].copy()

    aligned = device_alignment.begin(torch.from_numpy(before).to(device), torch.from_numpy(after).to(device))

    expected_way = warp(-device_alignment.consensus(torch.from_numpy(after)).numpy())
    assert np.array_equal(aligned().sung.frames, expected_way.frames) or device == "cuda"  # of sums rounded otherwise
    for found, weights in zip(aligned().shares, (before, after), strict=True):
        energy = energy_of(weights)
        expected = shares_along(warp(score_costs(energy)), energy)
        assert found.confidence == pytest.approx(expected.confidence, abs=1e-4)
        for name in ("peaks", "sums", "moments"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-3, abs=1e-3)
