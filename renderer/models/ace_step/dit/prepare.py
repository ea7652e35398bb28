"""A job and what came before it to what the DiT starts from: its prompt, and the prompt as conditions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from renderer.errors import StageError
from renderer.models.ace_step.dit.conditions import hints, lost_parts, silence
from renderer.models.ace_step.dit.prepare_edit import prepare_edit, reference_of
from renderer.models.ace_step.protocol.dit_prompt import make_dit_prompt

if TYPE_CHECKING:
    from torch import Tensor

    from renderer.artifacts import Codes, Cot
    from renderer.models.ace_step.dit.conditions import ConditionCache
    from renderer.models.ace_step.dit.prepare_edit import PreparedEdit
    from renderer.models.ace_step.dit.velocity import Conditions
    from renderer.models.ace_step.protocol.dit_prompt import DitPrompt
    from renderer.models.ace_step.protocol.requests import LatentsRequest
    from renderer.models.stage_job import StageJob


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTake:
    """A job ready for the DiT."""

    prompt: DitPrompt
    conditions: Conditions
    edit: PreparedEdit | None = None
    """Where it is made from a source."""
    cut: tuple[str, ...]
    """What of the prompt is lost, in words."""
    seconds: float
    """That making the conditions took."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that the DiT reads."""
        return (*self.conditions.tensors, *(self.edit.tensors if self.edit else ()))


def prepare_take(cache: ConditionCache, job: StageJob) -> PreparedTake:
    """Encode what a take's request, chain of thought and codes say.

    Raises: StageError when the codes can't be played.
    """
    began, request = time.perf_counter(), cast("LatentsRequest", job.request)
    if request.edit is not None:
        prompt, conditions, edit = prepare_edit(cache, job, request, request.edit)
    else:
        prompt, conditions, edit = *_prepare_new(cache, job, request), None
    return PreparedTake(
        prompt=prompt,
        conditions=conditions,
        edit=edit,
        cut=lost_parts(cache.encoders.tokens, prompt.text, prompt.lyrics),
        seconds=time.perf_counter() - began,
    )


def _prepare_new(cache: ConditionCache, job: StageJob, request: LatentsRequest) -> tuple[DitPrompt, Conditions]:
    codes = _codes(job)
    prompt = make_dit_prompt(request, cast("Cot | None", job.upstream.get("cot")), codes)
    encoders = cache.encoders
    source = silence(encoders, prompt.num_frames) if codes is None else hints(encoders, codes.codes)
    return prompt, cache.conditions(prompt.text, prompt.lyrics, source, reference_of(job))


def _codes(job: StageJob) -> Codes | None:
    """The job's codes.

    Raises: StageError when the LM wrote none at all: there is nothing to play.
    """
    codes = cast("Codes | None", job.upstream.get("codes"))
    if codes is not None and not len(codes.codes):
        raise StageError(
            "the LM wrote no codes", why="it ended the song at once", help="give the song a duration, or another seed"
        )
    return codes
