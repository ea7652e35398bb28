"""What a take's stages are asked -> the same without what changes nothing: settings of something that is off.

So that takes whose requests are equal, as the models see them, have equal keys. What is off stands at a value of its
own in each field, `IDLE`; `check` says of the same settings that they have no effect (`spec/lints/settings.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from renderer.facts import MAX_DURATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest, LatentsRequest, LmSampling
    from renderer.models.ace_step.protocol.stage_requests import StageRequests
    from renderer.song import PinnedCot

_Lm = TypeVar("_Lm", "CotRequest", "CodesRequest")
IDLE: Mapping[str, Any] = {
    "use_cot_caption": False,
    "use_cot_language": False,
    "max_duration": MAX_DURATION,
    "sampler_mode": "euler",
    "cfg_interval_start": 0.0,
    "cfg_interval_end": 1.0,
    "lm_negative_prompt": "",
    "lm_top_k": 0,
    "lm_top_p": 1.0,
    "lm_seed": 0,
    "seed": 0,
}
"""A setting, as the spec calls it -> its value where it does nothing."""


def without_idle(asked: StageRequests, pinned: PinnedCot | None) -> StageRequests:
    """The same requests; `pinned` is the chain of thought that the spec brings along, where one is followed."""
    cot, codes = asked.cot, asked.codes
    return replace(
        asked,
        cot=_lm_request(cot) if cot else None,
        codes=_lm_request(codes) if codes else None,
        latents=_latents(asked.latents, has_cot=cot is not None or pinned is not None),
    )


def _lm_request(request: _Lm) -> _Lm:
    sampling = _sampling(request.sampling)
    # The most probable token is the same whatever is drawn.
    seed = request.seed if sampling.temperature > 0 else 0
    return replace(request, sampling=sampling, seed=seed, max_duration=_limit(request))


def _sampling(sampling: LmSampling) -> LmSampling:
    if sampling.temperature <= 0:
        sampling = replace(sampling, top_k=0, top_p=1.0)
    if not 0 < sampling.top_p < 1:
        sampling = replace(sampling, top_p=1.0)
    return sampling if sampling.guided else replace(sampling, cfg_scale=1.0, negative_prompt="")


def _limit(request: CotRequest | CodesRequest | LatentsRequest) -> int:
    return request.max_duration if request.metas.duration is None else MAX_DURATION


def _latents(request: LatentsRequest, *, has_cot: bool) -> LatentsRequest:
    asked_language = request.vocal_language is not None
    language = request.use_cot_language and has_cot and not asked_language
    request = replace(
        request,
        use_cot_caption=request.use_cot_caption and has_cot,
        use_cot_language=language,
        # `unknown` is what is sent where nobody says anything.
        vocal_language=None if request.vocal_language == "unknown" and not language else request.vocal_language,
        max_duration=_limit(request),
    )
    if request.guidance_scale <= 1:
        return replace(request, guidance_scale=1.0, cfg_interval_start=0.0, cfg_interval_end=1.0)
    return request
