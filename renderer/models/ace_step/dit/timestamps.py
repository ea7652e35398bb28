"""A take's latents -> when its lyrics are sung: what the DiT attends to while it looks at them once more.

Source: ace-step/ACE-Step-1.5, acestep/core/generation/handler/lyric_timestamp.py and lyric_score.py
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from renderer.artifacts import Timestamps
from renderer.errors import StageError
from renderer.facts import LATENT_RATE, MAX_LYRIC_TOKENS
from renderer.models import device as devices
from renderer.models.ace_step.dit.denoise import initial_noise
from renderer.models.ace_step.jobs import Abandoned, value_alone
from renderer.models.ace_step.protocol.alignment import consensus, token_times, warp_all
from renderer.models.ace_step.protocol.lyric_lines import LyricRows, lyric_rows, own_texts, timed_lines, timed_tokens
from renderer.models.ace_step.protocol.lyric_score import energy_of, score_along, score_costs, sung_rows
from renderer.models.stage_job import Done, Failed
from renderer.provenance import TimestampsNotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from renderer.artifacts import Float32s, Latents
    from renderer.models.ace_step.dit.prepare import PreparedTake
    from renderer.models.ace_step.dit.velocity import ResidentDit
    from renderer.models.ace_step.protocol.requests import TimestampsRequest
    from renderer.models.ace_step.protocol.text_tokens import TextTokens
    from renderer.models.stage_job import Listener, StageJob

SEED = 42  # of the noise, whatever the take's own
PASSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """What the DiT attended to, on the CPU: all that the alignment needs."""

    rows: LyricRows
    before: Float32s
    """[heads, tokens, patches], from noise alone: what condition and codes say."""
    after: Float32s
    """The same from the finished latents, noised as at the last step."""
    num_frames: int
    """Of the latents."""
    seconds: float
    """That it took."""


def attend(dit: ResidentDit, job: StageJob, take: PreparedTake, tokens: TextTokens, listener: Listener) -> Attended:
    """Run the DiT on noise and on noised latents as far as the last head that is read.

    Raises: Abandoned when the listener cancels the job, StageError where no lyrics are left to time.
    """
    began, request = time.perf_counter(), cast("TimestampsRequest", job.request)
    rows = lyric_rows(tokens, take.prompt.lyrics, take.prompt.metas.language, MAX_LYRIC_TOKENS)
    if not rows.ids:
        raise StageError("there are no lyrics to time", help="set `timestamps = false` in [output]")
    latents, context = torch.from_numpy(cast("Latents", job.upstream["latents"]).frames)[None], take.conditions.context
    noise = initial_noise(latents.shape[1], latents.shape[2], torch.Generator("cpu").manual_seed(SEED))
    last = 1.0 / request.latents.inference_steps
    found: list[Float32s] = []
    for at, noised in ((1.0, noise), (last, last * noise + (1.0 - last) * latents)):
        if listener.cancelled(job.id):
            raise Abandoned
        there = devices.to_device(noised, context.device).to(context.dtype)
        with torch.no_grad():
            read = dit.attention(take.conditions, there, at, request.heads, slice(rows.first, rows.last))
        found.append(read.cpu().numpy())
        listener.progress(job.id, len(found), PASSES, "passes")
    seconds = time.perf_counter() - began + take.seconds
    return Attended(rows=rows, before=found[0], after=found[1], num_frames=latents.shape[1], seconds=seconds)


def timestamps_of(attended: Attended, tokens: TextTokens) -> Timestamps:
    """Times and scores of what was attended to; on one thread of the CPU.

    Raises: StageError where no token stands out at any time: all ways through would be as good.
    """
    began, ids, agreed = time.perf_counter(), attended.rows.ids, consensus(attended.after)
    if agreed.min() == agreed.max() and agreed.size > 1:
        raise StageError(
            "the DiT's attention doesn't tell when its lyrics are sung",
            why="none of its heads that are read attends to one token more than to others",
        )
    sung = sung_rows(own_texts(tokens, ids))
    before, after = energy_of(attended.before), energy_of(attended.after)
    # In one go: the loop over diagonals holds Python's lock, which the other songs' threads wait for.
    way, way_before, way_after = warp_all(np.stack([-agreed, score_costs(before), score_costs(after)]))
    scores = score_along(way_after, after, sung)
    length, num_patches = attended.num_frames / LATENT_RATE, attended.after.shape[-1]
    times = token_times(way, len(ids), length / num_patches)
    timed = tuple(timed_tokens(tokens, ids, times, scores.covered.tolist(), sung.tolist()))
    return Timestamps(
        seconds=length,
        lines=timed_lines(timed),
        lm_score=score_along(way_before, before, sung).score,
        dit_score=scores.score,
        notes=TimestampsNotes(seconds=attended.seconds + time.perf_counter() - began),
    )


def aligned(
    attended: Iterator[tuple[StageJob, Attended | Failed]], tokens: TextTokens, num_threads: int
) -> Iterator[Done | Failed]:
    """Results in the order of the jobs, each aligned on the CPU while the device is at those behind it."""
    with ThreadPoolExecutor(max_workers=num_threads) as pool:
        waiting: list[Callable[[], Done | Failed]] = []
        for job, one in attended:
            waiting.append(pool.submit(_result, job, one, tokens).result)
            # What one attended to is some 100 MB: no more of them than threads, and one on its way.
            if len(waiting) > num_threads:
                yield waiting.pop(0)()
        while waiting:
            yield waiting.pop(0)()


def _result(job: StageJob, attended: Attended | Failed, tokens: TextTokens) -> Done | Failed:
    if isinstance(attended, Failed):
        return attended
    found = value_alone(job, partial(timestamps_of, attended, tokens))
    return found if isinstance(found, Failed) else Done(id=job.id, artifact=found)
