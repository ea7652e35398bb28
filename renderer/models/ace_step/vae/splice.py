"""An edit's windows between its source's samples: everything else stays as it is, bit for bit.

Source of the ramps: ace-step/ACE-Step-1.5, acestep/core/generation/handler/repaint_waveform_splice.py. Upstream brings
the whole to one peak afterwards, which changes every sample; here a window that is too loud is turned down alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from renderer.facts import SAMPLES_PER_LATENT
from renderer.models.ace_step.vae.sound import PEAK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from renderer.models.ace_step.protocol.requests import SampleWindow, Splice


def padded(source: Tensor, link: Splice, windows: Sequence[SampleWindow]) -> Tensor:
    """The source with silence where windows reach beyond it."""
    length = source.shape[1] + link.before + link.after
    ends = [window.end for window in windows if window.end is not None]
    after = max(0, *(end - length for end in ends)) if ends else 0
    return pad(source, (link.before + lead(windows), link.after + after))


def lead(windows: Sequence[SampleWindow]) -> int:
    """Samples of silence before a source that is a take: whole latent frames, as its latents have them."""
    first = min((window.start for window in windows), default=0)
    return -min(0, first // SAMPLES_PER_LATENT) * SAMPLES_PER_LATENT


def spliced(
    source: Tensor, made: Tensor, crossfade: int, windows: Sequence[SampleWindow]
) -> tuple[Tensor, tuple[float, ...]]:
    """The source with the windows of `made`, both float32 [2, samples], and each window's gain."""
    sound, shared, gains = source.clone(), min(source.shape[1], made.shape[1]), []
    for window in _within(windows, source.shape[1]):
        start, end = min(window.start, shared), min(window.end or shared, shared)
        ramp = _ramp(start, end, crossfade, shared)
        first = max(0, start - crossfade)
        part = made[:, first : first + len(ramp)]
        gain = gain_of(part)
        gains.append(gain)
        kept = sound[:, first : first + len(ramp)]
        sound[:, first : first + len(ramp)] = ramp * (part * gain) + (1.0 - ramp) * kept
    return sound, tuple(gains)


def gain_of(part: Tensor) -> float:
    """What a window is multiplied by, so that it stays below -1 dBFS."""
    peak = float(part.abs().max()) if part.numel() else 0.0
    return min(1.0, PEAK / peak) if peak else 1.0


def _within(windows: Sequence[SampleWindow], length: int) -> list[SampleWindow]:
    moved = lead(windows)
    return [
        replace(one, start=one.start + moved, end=length if one.end is None else one.end + moved) for one in windows
    ]


def _ramp(start: int, end: int, crossfade: int, length: int) -> Tensor:
    """[samples]: 1 from start to end, and a line down to 0 outside of either edge; none where the sound ends."""
    before, after = start - max(0, start - crossfade), min(length, end + crossfade) - end
    rise = torch.linspace(0.0, 1.0, before + 2)[1:-1]
    fall = torch.linspace(1.0, 0.0, after + 2)[1:-1]
    return torch.cat([rise, torch.ones(max(0, end - start)), fall])
