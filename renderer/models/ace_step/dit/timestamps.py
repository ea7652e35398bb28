"""A take's latents -> when its lyrics are sung: what the DiT attends to while it looks at them once more.

Source: ace-step/ACE-Step-1.5, acestep/core/generation/handler/lyric_timestamp.py and lyric_score.py
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from renderer.artifacts import Timestamps
from renderer.errors import StageError
from renderer.facts import LATENT_RATE, MAX_LYRIC_TOKENS
from renderer.models import device as devices
from renderer.models.ace_step.dit import device_alignment
from renderer.models.ace_step.dit.denoise import initial_noise
from renderer.models.ace_step.jobs import Abandoned, value_alone
from renderer.models.ace_step.protocol.alignment import WarpPath, consensus, token_times, warp_all
from renderer.models.ace_step.protocol.lyric_lines import LyricRows, lyric_rows, own_texts, timed_lines, timed_tokens
from renderer.models.ace_step.protocol.lyric_score import energy_of, score_costs, score_of, shares_along, sung_rows
from renderer.models.stage_job import Done, Failed
from renderer.provenance import TimestampsNotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from renderer.artifacts import Float32s, Latents
    from renderer.models.ace_step.dit.device_alignment import Aligned
    from renderer.models.ace_step.dit.prepare import PreparedTake
    from renderer.models.ace_step.dit.velocity import ResidentDit
    from renderer.models.ace_step.protocol.lyric_score import TokenShares
    from renderer.models.ace_step.protocol.requests import TimestampsRequest
    from renderer.models.ace_step.protocol.text_tokens import TextTokens
    from renderer.models.stage_job import Listener, StageJob

SEED = 42  # of the noise, whatever the take's own
PASSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What times and scores are made of."""

    sung: WarpPath
    """Which token is sung when."""
    num_patches: int
    before: TokenShares
    """Of the energies from noise alone: what condition and codes say."""
    after: TokenShares
    """Of those from the finished latents, noised as at the last step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """What the DiT attended to: all that times and scores need."""

    rows: LyricRows
    ways: Callable[[], Ways]
    """Raises StageError where no token stands out at any time: all ways through would be as good."""
    num_frames: int
    """Of the latents."""
    seconds: float
    """That it took."""


def attend(dit: ResidentDit, job: StageJob, take: PreparedTake, tokens: TextTokens, listener: Listener) -> Attended:
    """Run the DiT on noise and on noised latents as far as the last head that is read.

    Raises: Abandoned when the listener cancels the job, StageError where no lyrics are left to time.
    """
    began = time.perf_counter()
    rows = lyric_rows(tokens, take.prompt.lyrics, take.prompt.metas.language, MAX_LYRIC_TOKENS)
    if not rows.ids:
        raise StageError("there are no lyrics to time", help="set `timestamps = false` in [output]")
    ways = _ways_later(*read_attention(dit, job, take, rows, listener))
    num_frames = cast("Latents", job.upstream["latents"]).frames.shape[0]
    seconds = time.perf_counter() - began + take.seconds
    return Attended(rows=rows, ways=ways, num_frames=num_frames, seconds=seconds)


def read_attention(
    dit: ResidentDit, job: StageJob, take: PreparedTake, rows: LyricRows, listener: Listener
) -> tuple[Tensor, Tensor]:
    """Float32 [heads, tokens, patches] to noise alone, and to the finished latents noised as at the last step.

    Raises: Abandoned when the listener cancels the job.
    """
    request = cast("TimestampsRequest", job.request)
    latents, context = torch.from_numpy(cast("Latents", job.upstream["latents"]).frames)[None], take.conditions.context
    noise = _noise(latents.shape[1], latents.shape[2])
    last = 1.0 / request.latents.inference_steps
    found: list[Tensor] = []
    for at, noised in ((1.0, noise), (last, last * noise + (1.0 - last) * latents)):
        if listener.cancelled(job.id):
            raise Abandoned
        there = devices.upload(noised, context.device).to(context.dtype)
        with torch.no_grad():
            found.append(dit.attention(take.conditions, there, at, request.heads, slice(rows.first, rows.last)))
        listener.progress(job.id, len(found), PASSES, "passes")
    return found[0], found[1]


@lru_cache(maxsize=1)
def _noise(num_frames: int, channels: int) -> Tensor:
    """The same for all takes of a length."""
    return initial_noise(num_frames, channels, torch.Generator("cpu").manual_seed(SEED))


def _ways_later(before: Tensor, after: Tensor) -> Callable[[], Ways]:
    """Of attention [heads, tokens, patches]: when asked for, on some CPU thread; on CUDA begun in a stream of its own.

    A way through is some thousand steps of a few threads: the DiT looks at the next take meanwhile.
    """
    if before.device.type == "cuda":
        side_stream = devices.SideStream(before.device, "alignment")
        side_stream.follow(before, after)
        wait, shape = side_stream.run(partial(device_alignment.begin, before, after)), before.shape
        return lambda: _ways_on_device(wait(), shape)
    return partial(_ways_on_cpu, before.cpu().numpy(), after.cpu().numpy())


def _ways_on_device(aligned: Aligned, shape: Sequence[int]) -> Ways:
    _refuse_even(*aligned.agreed, math.prod(shape[1:]))
    before, after = aligned.shares
    return Ways(sung=aligned.sung, num_patches=shape[2], before=before, after=after)


def _ways_on_cpu(before: Float32s, after: Float32s) -> Ways:
    agreed, energies = consensus(after), [energy_of(one) for one in (before, after)]
    _refuse_even(float(agreed.min()), float(agreed.max()), agreed.size)
    # In one go: the loop over diagonals holds Python's lock, which the other songs' threads wait for.
    sung, *scored = warp_all(np.stack([-agreed, *map(score_costs, energies)]))
    shares = [shares_along(way, energy) for way, energy in zip(scored, energies, strict=True)]
    return Ways(sung=sung, num_patches=agreed.shape[1], before=shares[0], after=shares[1])


def _refuse_even(low: float, high: float, size: int) -> None:
    if low == high and size > 1:
        raise StageError(
            "the DiT's attention doesn't tell when its lyrics are sung",
            why="none of its heads that are read attends to one token more than to others",
        )


def timestamps_of(attended: Attended, tokens: TextTokens) -> Timestamps:
    """Times and scores of what was attended to; on one thread of the CPU.

    Raises: StageError as `Attended.ways` does.
    """
    began, ids, ways = time.perf_counter(), attended.rows.ids, attended.ways()
    sung = sung_rows(own_texts(tokens, ids))
    scores = score_of(ways.after, sung)
    length = attended.num_frames / LATENT_RATE
    times = token_times(ways.sung, len(ids), length / ways.num_patches)
    timed = tuple(timed_tokens(tokens, ids, times, scores.covered.tolist(), sung.tolist()))
    return Timestamps(
        seconds=length,
        lines=timed_lines(timed),
        lm_score=score_of(ways.before, sung).score,
        dit_score=scores.score,
        notes=TimestampsNotes(seconds=attended.seconds + time.perf_counter() - began),
    )


def aligned(
    attended: Iterator[tuple[StageJob, Attended | Failed]], tokens: TextTokens, num_threads: int
) -> Iterator[Done | Failed]:
    """Results in the order of the jobs, each timed on the CPU while the device is at those behind it."""
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
