"""An independent reading of ACE-Step's sampling, line by line in float64 numpy; slow and plain on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Velocity = Callable[[Array, float, bool], Array]


def schedule(num_steps: int, shift: float) -> list[float]:
    """From 1 to 0, both included."""
    plain = [1 - i / num_steps for i in range(num_steps + 1)]
    return [shift * t / (1 + (shift - 1) * t) for t in plain]


def apg(conditional: Array, unconditional: Array, scale: float, momentum: Array) -> tuple[Array, Array]:
    """Guided velocity [frames, channels] and the new momentum; every norm runs over time, channel by channel."""
    difference = conditional - unconditional - 0.75 * momentum
    momentum = difference.copy()
    for channel in range(difference.shape[1]):
        norm = np.sqrt((difference[:, channel] ** 2).sum())
        difference[:, channel] *= min(1.0, 2.5 / norm)
        along = conditional[:, channel] / np.sqrt((conditional[:, channel] ** 2).sum())
        difference[:, channel] -= (difference[:, channel] * along).sum() * along
    return conditional + (scale - 1) * difference, momentum


def haar(x: Array) -> tuple[Array, Array]:
    """Low and high band of [frames, channels]; an odd last frame is paired with nothing."""
    x = np.concatenate([x, np.zeros((len(x) % 2, x.shape[1]))])
    return (x[0::2] + x[1::2]) / np.sqrt(2), (x[0::2] - x[1::2]) / np.sqrt(2)


def from_haar(low: Array, high: Array, num_frames: int) -> Array:
    x = np.empty((2 * len(low), low.shape[1]))
    x[0::2], x[1::2] = (low + high) / np.sqrt(2), (low - high) / np.sqrt(2)
    return x[:num_frames]


def corrected(x: Array, clean: Array, t: float, mode: str, s: float, high_s: float = 0.0) -> Array:
    """DCW: a step's result `x`, moved away from the clean latents that the step saw coming."""
    if mode == "pix":
        return x + s * (x - clean)
    (low, high), (clean_low, clean_high) = haar(x), haar(clean)
    if mode in ("low", "double"):
        low = low + t * s * (low - clean_low)
    if mode in ("high", "double"):
        high = high + (1 - t) * (s if mode == "high" else high_s) * (high - clean_high)
    return from_haar(low, high, len(x))


def retaken(noise: Array, other: Array, variance: float) -> Array:
    return np.cos(variance * np.pi / 2) * noise + np.sin(variance * np.pi / 2) * other


def sample(
    velocity: Velocity,
    noise: Array,
    times: list[float],
    *,
    scale: float = 1.0,
    interval: tuple[float, float] = (0.0, 1.0),
    fresh_noise: list[Array] | None = None,
    heun_steps: int = 0,
    dcw: tuple[str, float, float] | None = None,
) -> Array:
    """Clean latents [frames, channels]; `velocity(x, t, conditioned)`; with `fresh_noise` (one a step) stochastic."""
    x, momentum = noise, np.zeros_like(noise)
    for step in range(len(times) - 1):
        t, after = times[step], times[step + 1]
        v = velocity(x, t, True)
        if scale > 1 and interval[0] <= t <= interval[1]:
            v, momentum = apg(v, velocity(x, t, False), scale, momentum)
        began, clean = x, x - t * v
        if step < heun_steps:
            there = x - v * (t - after)
            second = velocity(there, after, True)
            if scale > 1 and interval[0] <= after <= interval[1]:
                without = velocity(there, after, False)
                second = without + scale * (second - without)
            x = began - (v + second) / 2 * (t - after)
            x = x if dcw is None else corrected(x, clean, t, *dcw)
            continue
        if after == 0:
            x = clean
        elif fresh_noise is None:
            x = x - v * (t - after)
        else:
            x = after * fresh_noise[step] + (1 - after) * clean
        if dcw is not None:
            x = corrected(x, clean, t, *dcw)
    return x
