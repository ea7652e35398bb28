"""The curve of loudness against what EBU R128 says a sine is, and against a whole measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from renderer.takes.measure.loudness_curve import loudness_curve

if TYPE_CHECKING:
    from pathlib import Path

RATE = 48_000


def written(folder: Path, sound: np.ndarray) -> Path:
    path = folder / "x.wav"
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return path


def sine(hertz: float, seconds: float, level: float) -> np.ndarray:
    one = 10 ** (level / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([one, one], axis=1)


def test_a_sine_in_both_channels_is_as_loud_as_the_norm_says(tmp_path: Path) -> None:
    # EBU Tech 3341, case 1: 1 kHz at -23 dBFS is -23 LUFS.
    assert loudness_curve(written(tmp_path, sine(1000, 10, -23.0))) == pytest.approx([-23.0] * 10, abs=0.1)


def test_it_goes_up_and_down_with_the_sound_and_silence_has_none(tmp_path: Path) -> None:
    sound = np.concatenate([sine(1000, 5, -30.0), np.zeros((6 * RATE, 2)), sine(1000, 5, -20.0)])
    curve = loudness_curve(written(tmp_path, sound))
    assert len(curve) == 16
    assert curve[1] == pytest.approx(-30.0, abs=0.1)
    assert curve[8] is None
    assert curve[14] == pytest.approx(-20.0, abs=0.1)


def test_noise_is_as_loud_as_a_measurement_of_all_of_it(tmp_path: Path) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    noise = np.random.default_rng(7).normal(0, 0.1, (3 * RATE, 2))
    whole = pyloudnorm.Meter(RATE).integrated_loudness(noise)
    assert loudness_curve(written(tmp_path, noise))[1] == pytest.approx(whole, abs=0.15)
