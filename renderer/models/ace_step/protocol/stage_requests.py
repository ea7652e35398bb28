"""A take -> what each of its stages is asked, by ACE-Step's rules on which stages run at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from renderer.errors import UsageError
from renderer.facts import MAX_DURATION
from renderer.models.ace_step.protocol.metas import UNKNOWN_LANGUAGE
from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest, LatentsRequest, WaveformRequest
from renderer.models.ace_step.protocol.resolve import resolved, without_idle
from renderer.settings import Metas

if TYPE_CHECKING:
    from renderer.models.catalog.zoo import ModelFacts
    from renderer.song import Take

Request = TypeVar("Request", CotRequest, CodesRequest, LatentsRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRequests:
    """The requests of one take; None where ACE-Step runs no such stage."""

    cot: CotRequest | None
    codes: CodesRequest | None
    latents: LatentsRequest
    waveform: WaveformRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class _CommonFields:
    """What the requests of one take have in common."""

    take: Take
    facts: ModelFacts
    limit: int
    """Seconds a song may last."""

    def request(self, kind: type[Request], stage: str, **own: Any) -> Request:
        """With every setting as it holds; `own` is what the other stages aren't asked."""
        song = self.take.song
        return resolved(
            kind,
            stage,
            self.take.variant.inference,
            self.facts,
            caption=song.caption,
            lyrics=song.lyrics,
            metas=resolved(Metas, stage, song.metas, self.facts),
            # Where the user says how long the song is, nothing else bounds it.
            max_duration=self.limit if song.metas.duration is None else MAX_DURATION,
            **own,
        )


def stage_requests(take: Take, facts: ModelFacts, preview: float | None) -> StageRequests:
    """What a take's stages are asked; `preview` is the seconds after which a shorter render stops.

    Source: ace-step/ACE-Step-1.5, acestep/inference.py (which switches run which phase).
    Raises: UsageError when the take is longer than its model makes.
    """
    song, thinking = take.song, take.variant.inference.thinking
    preview = None if preview is None else float(preview)  # a program may say 20, and means the command line's 20.0
    limit = int(song.max_duration or facts.max_duration)
    pinned = song.pinned if thinking else None
    length = _shortened(song.metas.duration, preview)
    seconds = _shortened(pinned.seconds, preview) if length is None and pinned else length
    if seconds is not None and seconds > limit:
        raise UsageError(
            f"`{take.name}` asks for {seconds:g} s, `{facts.name}` makes at most {limit} s",
            help=f"ask for less in `duration`, set `max_duration`, or render its beginning with --preview {limit}",
        )
    # A preview no shorter than the song is the song, under its own key.
    cut = preview if song.metas.duration is None or length != song.metas.duration else None
    common = _CommonFields(take=take, facts=facts, limit=limit)
    runs_cot = pinned is None and _runs_cot(take)
    has_cot = runs_cot or (pinned is not None and pinned.cot is not None)
    return StageRequests(
        cot=without_idle(common.request(CotRequest, "cot")) if runs_cot else None,
        codes=without_idle(common.request(CodesRequest, "codes", preview=cut, seed=take.seed))
        if thinking and pinned is None
        else None,
        latents=_latents(common, cut, has_cot=has_cot),
        waveform=WaveformRequest(duration=length),
    )


def _runs_cot(take: Take) -> bool:
    metas = take.song.metas
    is_open = None in (metas.bpm, metas.keyscale, metas.timesignature, metas.duration)
    return take.variant.inference.use_cot_metas and is_open


def _latents(common: _CommonFields, cut: float | None, *, has_cot: bool) -> LatentsRequest:
    """With what hangs on other settings, the checkpoint and the chain of thought in more than being on or off."""
    request, facts = common.request(LatentsRequest, "latents", preview=cut, seed=common.take.seed), common.facts
    metas = request.metas
    if metas.vocal_language == UNKNOWN_LANGUAGE:  # what is sent where nobody says anything
        metas = replace(metas, vocal_language=None)
    return without_idle(
        replace(
            request,
            metas=metas,
            use_cot_caption=request.use_cot_caption and has_cot,
            use_cot_language=request.use_cot_language and has_cot and request.metas.vocal_language is None,
            inference_steps=_num_steps(request, facts),
            shift=request.shift if request.timesteps is None else 1.0,  # own times are where they are
            guidance_scale=request.guidance_scale if facts.guided else 1.0,
            dcw_enabled=request.dcw_enabled and _corrects(request),
            retake_seed=request.retake_seed if request.retake_variance else None,
        )
    )


def _num_steps(request: LatentsRequest, facts: ModelFacts) -> int:
    """Distilled checkpoints run no more steps than they were distilled for, as upstream's handler has it."""
    if request.timesteps is not None:
        return sum(time > 0.0 for time in request.timesteps)
    return request.inference_steps if facts.max_steps is None else min(request.inference_steps, facts.max_steps)


def _corrects(request: LatentsRequest) -> bool:
    """Whether DCW, switched on, does something at these strengths."""
    high = request.dcw_high_scaler if request.dcw_mode == "double" else 0.0
    return not request.dcw_scaler == 0.0 == high


def _shortened(duration: float | None, preview: float | None) -> float | None:
    # Without a duration the LM decides one, and the preview cuts it.
    if duration is None or preview is None:
        return duration
    return min(duration, preview)
