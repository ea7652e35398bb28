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


def sample(
    velocity: Velocity,
    noise: Array,
    times: list[float],
    *,
    scale: float = 1.0,
    interval: tuple[float, float] = (0.0, 1.0),
    fresh_noise: list[Array] | None = None,
) -> Array:
    """Clean latents [frames, channels]; `velocity(x, t, conditioned)`; with `fresh_noise` (one a step) stochastic."""
    x, momentum = noise, np.zeros_like(noise)
    for step in range(len(times) - 1):
        t, after = times[step], times[step + 1]
        v = velocity(x, t, True)
        if scale > 1 and interval[0] <= t <= interval[1]:
            v, momentum = apg(v, velocity(x, t, False), scale, momentum)
        clean = x - t * v
        if after == 0:
            x = clean
        elif fresh_noise is None:
            x = x - v * (t - after)
        else:
            x = after * fresh_noise[step] + (1 - after) * clean
    return x
