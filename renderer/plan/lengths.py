"""How long what a request asks for can get, before anything is made."""

from __future__ import annotations

from renderer.models.ace_step.protocol.requests import (
    CodesRequest,
    CotRequest,
    LatentsRequest,
    StageRequest,
    WaveformRequest,
)

COT_SECONDS = 60.0  # a chain of thought takes the cache of about so long a song


def asked_seconds(request: StageRequest) -> float:
    """Seconds of the longest song the request can lead to; 0 where it doesn't say."""
    match request:
        case CotRequest():
            return COT_SECONDS
        case WaveformRequest():
            return request.duration or 0.0
        case CodesRequest() | LatentsRequest():
            length = request.metas.duration or float(request.max_duration)
            return min(length, request.preview) if request.preview else length
