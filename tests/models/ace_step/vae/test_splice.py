"""Windows between their source's samples, by a reading of the splice that shares nothing with ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from renderer.models.ace_step.protocol.requests import SampleWindow
from renderer.models.ace_step.vae.splice import spliced
from tests.models.ace_step import edits_by_hand

LENGTH = 9_600
RANDOM = np.random.default_rng(3)
SOURCE = RANDOM.uniform(-0.5, 0.5, (2, LENGTH))


@pytest.mark.parametrize("fade", [0, 300, 1200, 2400])
@pytest.mark.parametrize("loudness", [0.4, 1.7])
@pytest.mark.parametrize(
    "windows",
    [
        [(2_000, 5_000)],
        [(0, 3_000)],
        [(8_000, LENGTH)],
        [(100, 9_500)],
        [(0, LENGTH)],
        [(1_000, 3_000), (2_500, 6_000)],
    ],
)
def test_windows_are_cut_in_as_the_protocol_says_each_at_its_own_level(
    windows: list[tuple[int, int]], loudness: float, fade: int
) -> None:
    made = RANDOM.uniform(-loudness, loudness, (2, LENGTH))

    found, gains = spliced(
        torch.from_numpy(SOURCE).float(),
        torch.from_numpy(made).float(),
        fade,
        [SampleWindow(start=start, end=end) for start, end in windows],
    )

    asked = edits_by_hand.spliced(SOURCE, made, windows, fade)
    assert np.abs(found.numpy() - asked).max() < 1e-6
    kept = np.ones(LENGTH, dtype=bool)
    for start, end in windows:
        kept[max(0, start - fade) : end + fade] = False
    assert np.array_equal(found.numpy()[:, kept], SOURCE.astype(np.float32)[:, kept])
    assert all((gain < 1.0) == (loudness > 1.0) for gain in gains)
