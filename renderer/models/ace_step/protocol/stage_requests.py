"""A take -> what each of its stages is asked, by ACE-Step's rules on which stages run at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from renderer.errors import UsageError
from renderer.models.ace_step.protocol.effects import without_idle
from renderer.models.ace_step.protocol.requests import (
    CodesRequest,
    CotRequest,
    GivenMetas,
    LatentsRequest,
    LmSampling,
    WaveformRequest,
)

if TYPE_CHECKING:
    from renderer.models.catalog.zoo import ModelFacts
    from renderer.settings import Inference, Metas
    from renderer.song import Take


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRequests:
    """The requests of one take; None where ACE-Step runs no such stage."""

    cot: CotRequest | None
    codes: CodesRequest | None
    latents: LatentsRequest
    waveform: WaveformRequest


def stage_requests(take: Take, facts: ModelFacts, preview: float | None) -> StageRequests:
    """What a take's stages are asked; `preview` is the seconds after which a shorter render stops.

    Source: ace-step/ACE-Step-1.5, acestep/inference.py (which switches run which phase).
    Raises: UsageError when the take is longer than its model makes.
    """
    song, inference = take.song, take.variant.inference
    preview = None if preview is None else float(preview)  # a program may say 20, and means the command line's 20.0
    limit = int(song.max_duration or facts.max_duration)
    pinned = song.pinned if inference.thinking else None
    length = _shortened(song.metas.duration, preview)
    seconds = _shortened(pinned.seconds, preview) if length is None and pinned else length
    if seconds is not None and seconds > limit:
        raise UsageError(
            f"`{take.name}` asks for {seconds:g} s, `{facts.name}` makes at most {limit} s",
            help=f"ask for less in `duration`, set `max_duration`, or render its beginning with --preview {limit}",
        )
    # A preview no shorter than the song is the song, under its own key.
    cut = preview if song.metas.duration is None or length != song.metas.duration else None
    metas = _given(song.metas)
    sampling = _lm_sampling(inference)
    runs_cot = (
        pinned is None
        and _uses_lm(inference)
        and inference.use_cot_metas
        and None in (metas.bpm, metas.keyscale, metas.timesignature, metas.duration)
    )
    asked = StageRequests(
        cot=CotRequest(
            caption=song.caption,
            lyrics=song.lyrics,
            metas=metas,
            use_cot_caption=inference.use_cot_caption,
            use_cot_language=inference.use_cot_language,
            max_duration=limit,
            # As upstream since March 2026: guidance made captions end early.
            sampling=replace(sampling, cfg_scale=1.0, negative_prompt=""),
            seed=inference.lm_seed,
        )
        if runs_cot
        else None,
        codes=CodesRequest(
            caption=song.caption,
            lyrics=song.lyrics,
            metas=metas,
            max_duration=limit,
            preview=cut,
            sampling=sampling,
            seed=take.seed,
        )
        if inference.thinking and pinned is None
        else None,
        latents=_latents(take, facts, metas, limit, cut),
        waveform=WaveformRequest(duration=length),
    )
    return without_idle(asked, pinned.cot if pinned else None)


def _latents(take: Take, facts: ModelFacts, metas: GivenMetas, limit: int, cut: float | None) -> LatentsRequest:
    inference = take.variant.inference
    guidance = facts.guidance_scale if inference.guidance_scale is None else inference.guidance_scale
    asked = LatentsRequest(
        caption=take.song.caption,
        lyrics=take.song.lyrics,
        metas=metas,
        vocal_language=take.song.metas.vocal_language,
        use_cot_caption=inference.use_cot_caption,
        use_cot_language=inference.use_cot_language,
        max_duration=limit,
        preview=cut,
        steps=_steps(inference, facts),
        guidance_scale=guidance if facts.guided else 1.0,
        infer_method=inference.infer_method,
        shift=_shift(inference, facts),
        timesteps=inference.timesteps,
        cfg_interval_start=inference.cfg_interval_start,
        cfg_interval_end=inference.cfg_interval_end,
        seed=take.seed,
        # Heun's method is one for `ode`; upstream goes on with Euler's beside `sde`, too.
        sampler_mode=inference.sampler_mode if inference.infer_method == "ode" else "euler",
    )
    return _with_retake(_with_dcw(asked, inference, facts), inference)


def _steps(inference: Inference, facts: ModelFacts) -> int:
    """Distilled checkpoints run no more steps than they were distilled for, as upstream's handler has it."""
    if inference.timesteps is not None:
        return sum(time > 0.0 for time in inference.timesteps)
    steps = inference.inference_steps or facts.steps
    return steps if facts.max_steps is None else min(steps, facts.max_steps)


def _shift(inference: Inference, facts: ModelFacts) -> float:
    if inference.timesteps is not None:
        return 1.0  # they are where they are
    return facts.shift if inference.shift is None else inference.shift


def _with_dcw(asked: LatentsRequest, inference: Inference, facts: ModelFacts) -> LatentsRequest:
    """With DCW where it runs and does something; what of it does nothing stays out, and with it out of the key."""
    runs = facts.dcw if inference.dcw_enabled is None else inference.dcw_enabled
    in_both = inference.dcw_mode == "double"
    if not runs or inference.dcw_scaler == 0.0 == (inference.dcw_high_scaler if in_both else 0.0):
        return asked
    return replace(
        asked,
        dcw_enabled=True,
        dcw_mode=inference.dcw_mode,
        dcw_scaler=inference.dcw_scaler,
        dcw_high_scaler=inference.dcw_high_scaler if in_both else None,
    )


def _with_retake(asked: LatentsRequest, inference: Inference) -> LatentsRequest:
    if inference.retake_variance == 0.0:
        return asked
    return replace(asked, retake_seed=inference.retake_seed, retake_variance=inference.retake_variance)


def _shortened(duration: float | None, preview: float | None) -> float | None:
    # Without a duration the LM decides one, and the preview cuts it.
    if duration is None or preview is None:
        return duration
    return min(duration, preview)


def _given(metas: Metas) -> GivenMetas:
    return GivenMetas(
        bpm=metas.bpm, keyscale=metas.keyscale, timesignature=metas.timesignature, duration=metas.duration
    )


def _uses_lm(inference: Inference) -> bool:
    return inference.thinking or inference.use_cot_metas or inference.use_cot_caption or inference.use_cot_language


def _lm_sampling(inference: Inference) -> LmSampling:
    return LmSampling(
        temperature=inference.lm_temperature,
        cfg_scale=inference.lm_cfg_scale,
        top_k=inference.lm_top_k,
        top_p=inference.lm_top_p,
        repetition_penalty=inference.lm_repetition_penalty,
        negative_prompt=inference.lm_negative_prompt,
        constrained=inference.use_constrained_decoding,
    )
