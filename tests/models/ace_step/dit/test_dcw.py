"""DCW by hand, against a plain reading in float64, and in each of a DiT's dtypes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from renderer.models.ace_step.dit.dcw import Dcw, apply_dcw
from tests.models.ace_step import straight_line

DOUBLE = Dcw(mode="double", scaler=0.05, high_scaler=0.02)
MODES = (
    DOUBLE,
    Dcw(mode="double", scaler=0.0, high_scaler=0.4),
    Dcw(mode="double", scaler=-0.3),
    Dcw(mode="low", scaler=0.3),
    Dcw(mode="high", scaler=0.3),
    Dcw(mode="pix", scaler=0.1),
)


def one_channel(*frames: float) -> torch.Tensor:
    return torch.tensor(frames).view(1, -1, 1)


@pytest.mark.parametrize(
    ("stepped", "guess", "expected"),
    [((1.0, 3.0), (0.0, 2.0), (1.025, 3.025)), ((2.0, 0.0), (0.0, 0.0), (2.035, 0.015))],
)
def test_two_frames_come_out_as_by_hand(
    stepped: tuple[float, ...], guess: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    found = apply_dcw(one_channel(*stepped), one_channel(*guess), 0.5, DOUBLE)

    assert found.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_an_odd_last_frame_is_paired_with_zeros() -> None:
    """Alone with zero, half of a frame is in either band."""
    found = apply_dcw(one_channel(0.0, 0.0, 1.0), one_channel(0.0, 0.0, 0.0), 0.5, DOUBLE)

    assert found.flatten().tolist() == pytest.approx((0.0, 0.0, 1.0 + (0.025 + 0.01) / 2), abs=1e-6)


@pytest.mark.parametrize("dcw", MODES, ids=lambda dcw: f"{dcw.mode} {dcw.scaler} {dcw.high_scaler}")
@pytest.mark.parametrize("num_frames", [1, 2, 127, 250])
@pytest.mark.parametrize("time", [1.0, 0.7, 0.125])
def test_any_length_is_what_a_plain_reading_gives(dcw: Dcw, num_frames: int, time: float) -> None:
    generator = torch.Generator().manual_seed(num_frames)
    stepped, guess = (torch.randn((2, num_frames, 8), generator=generator) for _ in range(2))

    found = apply_dcw(stepped, guess, time, dcw)

    for row in range(2):
        expected = straight_line.corrected(
            stepped[row].double().numpy(), guess[row].double().numpy(), time, dcw.mode, dcw.scaler, dcw.high_scaler
        )
        assert np.abs(found[row].numpy() - expected).max() < 2e-6


def test_where_both_strengths_are_zero_nothing_is_touched() -> None:
    stepped = torch.randn((1, 9, 4))

    assert apply_dcw(stepped, stepped * 2, 1.0, Dcw(mode="high", scaler=0.3)) is stepped
    assert apply_dcw(stepped, stepped * 2, 0.3, Dcw(mode="double", scaler=0.0)) is stepped


def test_what_was_seen_coming_is_left_but_for_rounding() -> None:
    """As in the last step, whose result is its own guess."""
    stepped = torch.randn((1, 251, 4), generator=torch.Generator().manual_seed(1))

    assert (apply_dcw(stepped, stepped, 0.3, DOUBLE) - stepped).abs().max() < 5e-7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_bands_are_corrected_in_float32_whatever_the_dtype(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    stepped, guess = (torch.randn((1, 33, 4), generator=generator).to(dtype) for _ in range(2))

    found = apply_dcw(stepped, guess, 0.6, DOUBLE)

    assert found.dtype == dtype
    assert torch.equal(found, apply_dcw(stepped.float(), guess.float(), 0.6, DOUBLE).to(dtype))


def test_rows_do_not_hear_each_other() -> None:
    generator = torch.Generator().manual_seed(1)
    stepped, guess = (torch.randn((3, 33, 4), generator=generator) for _ in range(2))

    together = apply_dcw(stepped, guess, 0.6, DOUBLE)

    for row in range(3):
        alone = apply_dcw(stepped[row : row + 1], guess[row : row + 1], 0.6, DOUBLE)
        assert torch.equal(together[row : row + 1], alone)
