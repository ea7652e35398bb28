"""An independent reading of how ACE-Step edits, line by line in float64 numpy: the reference page's part B."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Velocity = Callable[[Array, float, Array, str], Array]
    """Latents, time, context and the text that is followed -> velocity."""


def window_frames(start: float, end: float, length: int) -> tuple[int, int]:
    """B5."""
    first, last = int(start * 48000 // 1920), int(end * 48000 // 1920)
    first = max(0, min(first, length - 1))
    return first, max(first + 1, min(last, length))


def mode_numbers(mode: str, strength: float) -> tuple[float, int]:
    """B6: the share of steps in which the source is put back, and the frames of the blend."""
    if mode == "aggressive":
        return 0.0, 0
    if mode == "conservative":
        return 1.0, 25
    return 1.0 - strength, round(25 * (1.0 - strength))


def context(task: str, source: Array, silence: Array, window: tuple[int, int] | None, mask_mode: str) -> Array:
    """B4, of all tasks but cover: [frames, 2 · channels]."""
    followed, mask = source.copy(), np.ones_like(source)
    if task == "morph":
        followed = silence.copy()
    if window is not None:
        first, last = window
        if task == "repaint":
            followed[first:last] = silence[first:last]
        if mask_mode == "explicit":
            mask[:first] = 0
            mask[last:] = 0
    return np.concatenate([followed, mask], axis=1)


def blend_mask(length: int, window: tuple[int, int], width: int) -> Array:
    first, last = window
    mask = np.zeros(length)
    mask[first:last] = 1
    begin, stop = max(0, first - width), min(length, last + width)
    for frame in range(begin, first):
        mask[frame] = (frame - begin + 1) / (first - begin + 1)
    for frame in range(last, stop):
        mask[frame] = 1 - (frame - last + 1) / (stop - last + 1)
    return mask


def one_pass(
    velocity: Velocity,
    noise: Array,
    source: Array,
    silence: Array,
    times: list[float],
    *,
    task: str,
    window: tuple[int, int] | None = None,
    mode: str = "balanced",
    strength: float = 0.5,
    mask_mode: str = "auto",
    cover_strength: float = 1.0,
    cover_noise: float = 0.0,
    turbo: bool = True,
) -> Array:
    """B6 and B7: clean latents; `times` end in 0.

    Of all but turbo, whose loop breaks off before, the source is put back after the last step, too.
    Source: ace-step/ACE-Step-1.5, acestep/models/base at 6d467e4; part B has it of non-final steps alone.
    """
    shown = context(task, source, silence, window, mask_mode)
    channels = source.shape[1]
    x = noise
    if cover_noise > 0:
        start = min(range(len(times) - 1), key=lambda step: abs(times[step] - (1 - cover_noise)))
        times = times[start:]
        x = times[0] * noise + (1 - times[0]) * shown[:, :channels]
    steps = len(times) - 1
    ratio, width = mode_numbers(mode, strength)
    for step in range(steps):
        text = "task" if step < int(steps * cover_strength) else "text2music"
        seen = shown if text == "task" else np.concatenate([silence, shown[:, channels:]], axis=1)
        x = x - (times[step] - times[step + 1]) * velocity(x, times[step], seen, text)
        if window is not None and step < steps - turbo and step < round(ratio * steps):
            outside = np.ones(len(x), dtype=bool)
            outside[window[0] : window[1]] = False
            x[outside] = (times[step + 1] * noise + (1 - times[step + 1]) * source)[outside]
    if window is not None and width:
        soft = blend_mask(len(x), window, width)[:, None]
        x = soft * x + (1 - soft) * source
    return x


def morphed(
    velocity: Velocity,
    draws: Iterator[Array],
    source: Array,
    silence: Array,
    times: list[float],
    *,
    n_min: float,
    n_max: float,
    n_avg: int,
) -> Array:
    """B9, without guidance."""
    shown, steps = context("morph", source, silence, None, "auto"), len(times) - 1
    z, x = source.copy(), None
    for step in range(int(steps * n_min), steps):
        t, after = times[step], times[step + 1]
        if step < int(steps * n_max):
            moves = []
            for _ in range(n_avg):
                x_src = (1 - t) * source + t * next(draws)
                x_tar = z + x_src - source
                moves.append(velocity(x_tar, t, shown, "task") - velocity(x_src, t, shown, "source"))
            z = z + (after - t) * np.mean(moves, axis=0)
            continue
        if x is None:
            x = z + (1 - t) * source + t * next(draws) - source
        x = x + (after - t) * velocity(x, t, shown, "task")
    return z if x is None else x


def spliced(source: Array, made: Array, windows: list[tuple[int, int]], fade: int) -> Array:
    """The source's samples with windows of `made` in them; ours: each turned down alone where it would be too loud."""
    sound, peak = source.copy(), 10 ** (-1 / 20)
    length = min(source.shape[1], made.shape[1])
    for first, last in windows:
        mask = np.zeros(length)
        mask[first:last] = 1
        begin, stop = max(0, first - fade), min(length, last + fade)
        for sample in range(begin, first):
            mask[sample] = (sample - begin + 1) / (first - begin + 1)
        for sample in range(last, stop):
            mask[sample] = 1 - (sample - last + 1) / (stop - last + 1)
        loud = np.abs(made[:, begin:stop]).max()
        part = made * min(1.0, peak / loud)
        sound[:, begin:stop] = (mask * part[:, :length] + (1 - mask) * sound[:, :length])[:, begin:stop]
    return sound
