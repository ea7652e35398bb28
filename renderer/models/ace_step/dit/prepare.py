"""A job and what came before it to what the DiT starts from: its prompt, and the prompt as conditions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from renderer.errors import StageError
from renderer.models.ace_step.dit.conditions import lost_parts
from renderer.models.ace_step.protocol.dit_prompt import make_dit_prompt

if TYPE_CHECKING:
    from renderer.artifacts import Codes, Cot
    from renderer.models.ace_step.dit.conditions import ConditionCache
    from renderer.models.ace_step.dit.velocity import Conditions
    from renderer.models.ace_step.protocol.dit_prompt import DitPrompt
    from renderer.models.ace_step.protocol.requests import LatentsRequest
    from renderer.models.stage_job import StageJob


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTake:
    """A job ready for the DiT."""

    prompt: DitPrompt
    conditions: Conditions
    cut: tuple[str, ...]
    """What of the prompt is lost, in words."""
    seconds: float
    """That making the conditions took."""


def prepare_take(cache: ConditionCache, job: StageJob) -> PreparedTake:
    """Encode what a take's request, chain of thought and codes say.

    Raises: StageError when the codes can't be played.
    """
    began = time.perf_counter()
    codes = _codes(job)
    prompt = make_dit_prompt(cast("LatentsRequest", job.request), cast("Cot | None", job.upstream.get("cot")), codes)
    numbers = codes.codes if codes is not None else None
    cut = lost_parts(cache.encoders.tokens, prompt.text, prompt.lyrics)
    return PreparedTake(
        prompt=prompt,
        conditions=cache.conditions(prompt.text, prompt.lyrics, numbers, prompt.num_frames),
        cut=cut,
        seconds=time.perf_counter() - began,
    )


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
