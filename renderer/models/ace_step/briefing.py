"""What the DiT is told of a take: the user's words and metas, completed by the LM's, and the length. No torch.

Source: ace-step/ACE-Step-1.5, acestep/inference.py and acestep/handler.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from renderer.artifacts import CotMetas
from renderer.song import LATENT_RATE, LATENTS_PER_CODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.artifacts import Codes, Cot
    from renderer.requests import LatentsRequest

T = TypeVar("T")

FALLBACK_DURATION = 30.0  # seconds, as upstream when nobody says
TEXT2MUSIC = "Fill the audio semantic mask based on the given conditions:"
WITH_CODES = "Generate audio semantic tokens based on the given conditions:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefing:
    """The DiT's side of a take."""

    instruction: str
    caption: str
    lyrics: str
    language: str
    bpm: int | None
    keyscale: str | None
    timesignature: str | None
    duration: float
    """Seconds, as the text says."""
    num_frames: int
    """Latent frames at 25 Hz: what the codes span, else what the duration needs."""
    origins: Mapping[str, str]
    """Who each came from: `asked` (the user), `decided` (the LM) or `default`."""

    def text(self) -> str:
        """The text prompt; `N/A` stands for what nobody knows."""
        return (
            f"# Instruction\n{self.instruction}\n\n# Caption\n{self.caption}\n\n# Metas\n"
            f"- bpm: {self.bpm or 'N/A'}\n- timesignature: {self.timesignature or 'N/A'}\n"
            f"- keyscale: {self.keyscale or 'N/A'}\n- duration: {int(self.duration)} seconds\n<|endoftext|>\n"
        )

    def lyric_text(self) -> str:
        """The lyric prompt."""
        return f"# Languages\n{self.language}\n\n# Lyric\n{self.lyrics}<|endoftext|>"


def brief(request: LatentsRequest, cot: Cot | None, codes: Codes | None) -> Briefing:
    """Put together what the user asked and what the LM decided.

    The user's word wins, but for the caption, which the LM rewrites for the DiT when `use_cot_caption` lets it.
    A preview shortens the duration that is told, too, so that text and length agree.
    """
    decided, asked = cot.metas if cot is not None else CotMetas(), request.metas
    decided_caption = decided.caption if request.use_cot_caption else None
    decided_language = decided.language if request.use_cot_language else None
    language, language_origin = _first(request.vocal_language, decided_language, "unknown")
    bpm, bpm_origin = _first(asked.bpm, decided.bpm, None)
    keyscale, keyscale_origin = _first(asked.keyscale, decided.keyscale, None)
    timesignature, timesignature_origin = _first(asked.timesignature, decided.timesignature, None)
    duration, duration_origin = _first(asked.duration, decided.duration, FALLBACK_DURATION)
    told = min(duration, request.max_duration, request.preview or math.inf)
    return Briefing(
        instruction=WITH_CODES if codes is not None else TEXT2MUSIC,
        caption=decided_caption or request.caption,
        lyrics=request.lyrics,
        language=language,
        bpm=bpm,
        keyscale=keyscale,
        timesignature=timesignature,
        duration=told,
        num_frames=num_frames(told) if codes is None else LATENTS_PER_CODE * len(codes.codes),
        origins={
            "caption": "decided" if decided_caption else "asked",
            "language": language_origin,
            "bpm": bpm_origin,
            "keyscale": keyscale_origin,
            "timesignature": timesignature_origin,
            "duration": duration_origin if told == duration else "shortened",
        },
    )


def num_frames(duration: float) -> int:
    """Latent frames for a duration in seconds, rounded up as diffusers does, float error aside."""
    return math.ceil(round(duration * LATENT_RATE, 6))


def _first(asked: T | None, decided: T | None, default: T) -> tuple[T, str]:
    """The first that says something, and who said it."""
    if asked:
        return asked, "asked"
    if decided:
        return decided, "decided"
    return default, "default"
