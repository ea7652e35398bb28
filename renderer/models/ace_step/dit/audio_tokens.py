"""A source's latents to the codes that a cover follows: what the LM writes for a new song, heard in one that is there.

Source: ace-step/ACE-Step-1.5, acestep/models, `tokenize`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from renderer.artifacts import Codes
from renderer.errors import StageError
from renderer.models.ace_step.dit.prepare_edit import filled, frames_of
from renderer.provenance import CodesNotes

if TYPE_CHECKING:
    from renderer.models.ace_step.dit.conditions import Encoders
    from renderer.models.stage_job import Listener, StageJob


@torch.no_grad()
def tokenize(encoders: Encoders, tokenizer: Any, job: StageJob, listener: Listener) -> Codes:
    """The codes of the whole source, its last ones filled up with silence from its start.

    Raises: StageError for a set without a tokenizer.
    """
    began = time.perf_counter()
    if tokenizer is None:
        raise StageError(
            "this model set can't follow a source by audio codes",
            why="it was published without audio_tokenizer and audio_token_detokenizer",
            help='take another model set, or `task = "cover-nofsq"`',
        )
    frames = filled(encoders, frames_of(job, encoders.device)).float()
    _, indices = tokenizer.tokenize(frames, encoders.condition_encoder.silence_latent.float())
    listener.progress(job.id, 1, 1, "passes")
    codes = cast("torch.Tensor", indices).flatten().cpu().numpy().astype(np.int32)
    return Codes(codes=codes, notes=CodesNotes(seconds=time.perf_counter() - began))
