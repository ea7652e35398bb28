"""What each stage is asked: everything that changes its bytes, nothing else. Frozen, JSON-able, no torch.

A request's canonical JSON enters its job's key; upstream results enter by their key. Settings stand in it under their
own names, each with the value that holds: what is said, else the default or the checkpoint's. What stands at its
neutral value, at which the stage computes as if the field weren't there, is in no key; for fields that are no settings
that is the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.facts import MAX_DURATION
from renderer.settings import CODES, DIT, DRAWN, LM, CotUse, DitSettings, LmSampling, Metas, is_said, setting

_MAX_DURATION = setting(
    "Seconds a song lasts at most, where nobody says how long it is.",
    stages=(*LM, *DIT),
    neutral=MAX_DURATION,
    switches={"duration": is_said},
)


@dataclass(frozen=True, kw_only=True)
class CotRequest(CotUse, LmSampling):
    """Phase 1 of the LM: caption and lyrics to a chain of thought, always without guidance, which distorts text.

    Recipes from before version 0.2.0 hold a `cfg_scale` above 1 here: theirs were written with it.
    """

    caption: str
    lyrics: str
    metas: Metas
    max_duration: int = _MAX_DURATION


@dataclass(frozen=True, kw_only=True)
class CodesRequest(LmSampling):
    """Phase 2 of the LM: caption, lyrics and chain of thought (upstream, when there is one) to codes."""

    caption: str
    lyrics: str
    metas: Metas
    max_duration: int = _MAX_DURATION
    preview: float | None = None
    """Seconds after which the codes stop; None renders the whole song."""
    seed: int = setting("The take's.", stages=CODES, neutral=0, switches=DRAWN)


@dataclass(frozen=True, kw_only=True)
class LatentsRequest(CotUse, DitSettings):
    """The DiT with its conditions: texts, metas and codes (upstream, when there are any) to latents."""

    caption: str
    lyrics: str
    metas: Metas
    max_duration: int = _MAX_DURATION
    preview: float | None = None
    seed: int
    if TYPE_CHECKING:
        # The checkpoint's, where nobody says any: here they are said.
        inference_steps: int
        guidance_scale: float
        shift: float
        dcw_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampsRequest:
    """What the DiT attends to while it looks at its latents (upstream) once more."""

    latents: LatentsRequest
    """What they were asked: the same conditions are made of it."""
    heads: tuple[tuple[int, tuple[int, ...]], ...]
    """Layer -> its heads that follow the lyrics, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformRequest:
    """The VAE: latents (upstream) to sound, trimmed to the asked length, peak at -1 dBFS."""

    duration: float | None = None
    """Seconds to trim to; None keeps what the latents hold."""
