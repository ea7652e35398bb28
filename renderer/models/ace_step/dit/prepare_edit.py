"""What an edit's DiT starts from: its source's latents in length, silence, windows in frames, and all its conditions.

Source: ace-step/ACE-Step-1.5, acestep/core/generation/handler (conditioning_target.py, conditioning_masks.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from renderer.models import device as devices
from renderer.models.ace_step.dit.conditions import hints, silence
from renderer.models.ace_step.protocol.dit_prompt import make_edit_prompt, morph_source_prompt, text2music_prompt
from renderer.models.ace_step.protocol.line_windows import frame_windows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from renderer.artifacts import Codes, EncodedSound, Latents
    from renderer.models.ace_step.dit.conditions import ConditionCache, Encoders
    from renderer.models.ace_step.dit.velocity import Conditions
    from renderer.models.ace_step.protocol.dit_prompt import DitPrompt
    from renderer.models.ace_step.protocol.requests import EditRequest, FrameWindow, LatentsRequest
    from renderer.models.stage_job import StageJob

MIN_FRAMES = 128  # what shorter sources are filled up to


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedEdit:
    """An edit's source, on the DiT's device in its dtype."""

    request: EditRequest
    source: Tensor
    """[1, frames, channels]."""
    silence: Tensor
    """[1, frames, channels]: what stands where something is to be made anew."""
    windows: tuple[tuple[int, int], ...]
    """First frame and the one behind the last; none is the whole source."""
    other: Conditions | None = None
    """What is followed once the source isn't (`audio_cover_strength`); of a morph, what the source was made from."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that the DiT reads beside the conditions."""
        return (self.source, self.silence, *(self.other.tensors if self.other else ()))


def prepare_edit(
    cache: ConditionCache, job: StageJob, request: LatentsRequest, edit: EditRequest
) -> tuple[DitPrompt, Conditions, PreparedEdit]:
    """An edit's prompt, what it is to follow, and its source.

    Raises: StageError when the source's codes can't be read, or a section of it has no time.
    """
    encoders, reference = cache.encoders, reference_of(job)
    own, windows = frames_of(job, encoders.device), frame_windows(edit.windows, job.upstream)
    before, after = _padding(windows, own.shape[1])
    prompt = make_edit_prompt(request, edit, own.shape[1])
    around = [silence(encoders, count).to(own) for count in (before, after)]
    whole = torch.cat([around[0], own, around[1]], dim=1)
    source = filled(encoders, whole).to(encoders.dtype)
    quiet = silence(encoders, source.shape[1]).to(encoders.dtype)
    followed = _followed(encoders, job, edit, source, quiet)
    prepared = PreparedEdit(
        request=edit,
        source=source,
        silence=quiet,
        windows=_windows(windows, before, own.shape[1], source.shape[1]),
        other=_other(cache, edit, prompt, quiet, reference),
    )
    return prompt, cache.conditions(prompt.text, prompt.lyrics, followed, reference), prepared


def _followed(encoders: Encoders, job: StageJob, edit: EditRequest, source: Tensor, quiet: Tensor) -> Tensor:
    """What the DiT is to follow everywhere but in windows."""
    if edit.task == "morph":
        return quiet
    if edit.task != "cover":
        return source
    codes = cast("Codes", job.upstream["audio_tokens"])
    return hints(encoders, codes.codes)[:, : source.shape[1]]


def _other(
    cache: ConditionCache,
    edit: EditRequest,
    prompt: DitPrompt,
    quiet: Tensor,
    reference: npt.NDArray[np.float32] | None,
) -> Conditions | None:
    if edit.task == "morph":
        text, lyrics = morph_source_prompt(edit, prompt)
        return cache.conditions(text, lyrics, quiet, reference)
    if edit.audio_cover_strength < 1.0:
        return cache.conditions(text2music_prompt(prompt.metas), prompt.lyrics, quiet, reference)
    return None


def reference_of(job: StageJob) -> npt.NDArray[np.float32] | None:
    """The latents of what a take's timbre is taken from: [frames, channels]."""
    found = cast("EncodedSound | None", job.upstream.get("reference"))
    return None if found is None else found.frames


def frames_of(job: StageJob, device: torch.device) -> Tensor:
    """The source's latents: float32 [1, frames, channels]."""
    found = cast("EncodedSound | Latents", job.upstream["source"])
    return devices.to_device(torch.from_numpy(found.frames), device)[None]


def filled(encoders: Encoders, frames: Tensor) -> Tensor:
    """The same, as long as the DiT wants it at least: silence behind, from its own start."""
    missing = max(0, MIN_FRAMES - frames.shape[1])
    return torch.cat([frames, silence(encoders, missing).to(frames)], dim=1)


def _padding(windows: tuple[FrameWindow, ...], num_frames: int) -> tuple[int, int]:
    """Frames of silence around a source, where windows reach beyond it."""
    before = max((-window.start for window in windows), default=0)
    after = max((window.end - num_frames for window in windows if window.end is not None), default=0)
    return max(0, before), max(0, after)


def _windows(
    windows: tuple[FrameWindow, ...], before: int, num_frames: int, length: int
) -> tuple[tuple[int, int], ...]:
    found = []
    for window in windows:
        start = min(max(0, window.start + before), length - 1)
        end = (num_frames if window.end is None else window.end) + before
        found.append((start, min(max(start + 1, end), length)))
    return tuple(found)
