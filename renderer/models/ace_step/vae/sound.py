"""What goes into the decoder and what comes out of it: refused where it can't be a song, then brought to full level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.errors import StageError
from renderer.facts import SAMPLE_RATE

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.artifacts import Latents

PEAK = 10.0 ** (-1.0 / 20.0)  # -1 dBFS, as upstream saves
PEAK_FLOOR = 1e-6
ABSURD_PEAK = 1000.0  # times full scale; decoded music stays below 10
CONSTANT_SHARE = 1e-4  # of the peak
MISSING_SECONDS = 1.0  # a song may end this much, and by this share, before what was asked
WHOLE_SHARE = 0.95
# A peak, and so an RMS, at or below this is no music. Source: ace-step/ACE-Step-1.5, acestep/audio_utils.py
SILENCE = 1e-5


def checked_latents(latents: Latents) -> Tensor:
    """The frames as a tensor.

    Raises: StageError for NaN, infinity or nothing but zeros, which would decode to noise or a drone.
    """
    # By numpy: torch's threads, woken for so little, take longer than a tile.
    if not np.isfinite(latents.frames).all():
        raise StageError(
            "the latents hold NaN or infinity",
            why="the DiT's numbers overflowed, which float16 is known for",
            help="render with --dtype float32, or leave --dtype out",
        )
    if not latents.frames.any():
        raise StageError("the latents are all zero", why="the DiT gave nothing", help="try another seed")
    return torch.from_numpy(latents.frames)


def checked_peak(samples: Tensor, asked_seconds: float | None) -> float:
    """The largest magnitude of what can be a song: float32 [2, samples] as decoded.

    Raises: StageError for NaN, infinity, silence, much less than the asked length, a level no decoder of music gives,
    or a constant: scaled to full level it would be noise.
    """
    low, high = samples.aminmax(dim=1)
    mean = samples.mean(dim=1)
    # One copy to the host, for which the device has to be waited for.
    peak: float
    moving: float
    peak, moving = torch.stack(
        [torch.maximum(high, -low).amax(), torch.maximum(high - mean, mean - low).amax()]
    ).tolist()
    _refuse_no_sound(peak)
    _refuse_missing(samples.shape[1] / SAMPLE_RATE, asked_seconds)
    _refuse_absurd(peak, moving)
    return peak


def _refuse_no_sound(peak: float) -> None:
    # Of minimum and maximum, either is NaN when any sample is.
    if not math.isfinite(peak):
        raise StageError(
            "the VAE's sound holds NaN or infinity",
            why="its numbers overflowed in this dtype",
            help="render with --dtype float32, or leave --dtype out",
        )
    if peak <= SILENCE:
        raise StageError("the take is silent", why=f"its peak is {peak:.1e}", help="try another seed or caption")


def _refuse_missing(seconds: float, asked_seconds: float | None) -> None:
    if asked_seconds is not None and seconds < min(asked_seconds - MISSING_SECONDS, asked_seconds * WHOLE_SHARE):
        raise StageError(
            f"the take ends after {seconds:.1f} s of {asked_seconds:g} s",
            why="that is where the LM ended its codes",
            help="try another seed, or leave `use_constrained_decoding` on",
        )


def _refuse_absurd(peak: float, moving: float) -> None:
    if peak > ABSURD_PEAK:
        raise StageError(
            f"the take's level is absurd: {peak:.0f} times full scale",
            why="the DiT's latents left the range that the VAE knows",
            help="try another seed, or a lower `guidance_scale`",
        )
    if moving <= peak * CONSTANT_SHARE:
        raise StageError("the take is a constant", why="nothing in it moves", help="try another seed or caption")


def scale_to_peak(samples: Tensor, peak: float) -> Tensor:
    """The samples, whose largest magnitude is `peak`, with it at -1 dBFS; in place, in the same bits on any device.

    Source: huggingface/diffusers, src/diffusers/pipelines/ace_step/pipeline_ace_step.py
    """
    if peak > 1.0:
        # By a tensor of its own device: CUDA multiplies by the reciprocal of a number from the host.
        samples.div_(torch.tensor(peak, device=samples.device))
        peak = 1.0
    return samples.mul_(PEAK / torch.tensor(peak).clamp(min=PEAK_FLOOR))
