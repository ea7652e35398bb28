"""Job keys: same request, same stage, same weights, same upstream -> same name on any machine."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGE_VERSIONS: Mapping[str, int] = {"cot": 1, "codes": 1, "latents": 2, "waveform": 1, "take": 1}
"""Raised by one when a stage's code gives other bytes for the same request."""


def job_key(stage: str, request: Mapping[str, Any], settings: Mapping[str, Any], upstream: Mapping[str, str]) -> str:
    """SHA-256, hex, of the canonical JSON of all that changes the stage's bytes.

    `settings` are weights, dtype, slots, tiles; `upstream` the keys of what the job builds on.
    """
    parts = {
        "stage": stage,
        "version": STAGE_VERSIONS[stage],
        "request": request,
        "settings": settings,
        "upstream": upstream,
    }
    text = json.dumps(parts, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
