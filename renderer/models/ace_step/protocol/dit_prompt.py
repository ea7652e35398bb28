"""A take's prompts and length for the DiT, and who each of the metas comes from. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from renderer.artifacts import CotMetas
from renderer.facts import CODES_INSTRUCTION, LATENT_RATE, LATENTS_PER_CODE, TASK_INSTRUCTIONS, TEXT2MUSIC_INSTRUCTION
from renderer.models.ace_step.protocol.metas import decided_metas, unquoted
from renderer.models.ace_step.protocol.prompt import (
    dit_lyric_prompt,
    dit_text_prompt,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.artifacts import Codes, Cot
    from renderer.models.ace_step.protocol.metas import DecidedMetas
    from renderer.models.ace_step.protocol.requests import EditRequest, LatentsRequest

DEFAULT_DURATION = 30.0  # seconds that the text prompt says where nobody does
FALLBACK_DURATION = 120.0  # seconds that a song then gets, where no codes tell its length


@dataclass(frozen=True, slots=True, kw_only=True)
class DitPrompt:
    """The DiT's side of a take."""

    metas: DecidedMetas
    text: str
    """The text prompt."""
    lyrics: str
    """The lyric prompt."""
    num_frames: int
    """Latent frames at 25 Hz: what the codes span, else what the duration needs."""
    origins: Mapping[str, str]
    """Who said each of the metas: `asked` (the user), `decided` (the LM), `default` or, a duration, `shortened` or that
    of the `source`."""
    departures: tuple[str, ...]
    """Where the take departs from upstream, in words."""


def make_dit_prompt(request: LatentsRequest, cot: Cot | None, codes: Codes | None) -> DitPrompt:
    """Put together what the user asked and what the LM decided.

    A preview shortens the duration in the text, too, so that text and length agree.
    """
    said = cot.metas if cot is not None else None
    decided = decided_metas(request, said)
    longest = min(request.max_duration, request.preview or math.inf)
    whole = decided.duration or DEFAULT_DURATION
    duration = min(whole, longest)
    metas = replace(decided, duration=duration)
    origins = _origins(request, said or CotMetas())
    return DitPrompt(
        metas=metas,
        text=dit_text_prompt(metas, instruction=TEXT2MUSIC_INSTRUCTION if codes is None else CODES_INSTRUCTION),
        lyrics=dit_lyric_prompt(request.lyrics, metas.language),
        num_frames=_length(min(decided.duration or FALLBACK_DURATION, longest), codes),
        origins=origins if duration == whole else {**origins, "duration": "shortened"},
        departures=_departures(origins, cot),
    )


def make_edit_prompt(request: LatentsRequest, edit: EditRequest, num_frames: int) -> DitPrompt:
    """The same of an edit, whose source has so many frames: what the user asked, verbatim, and the source's length."""
    seconds = request.metas.duration or num_frames / LATENT_RATE
    metas = replace(decided_metas(request, None), duration=seconds)
    return DitPrompt(
        metas=metas,
        text=dit_text_prompt(metas, instruction=edit_instruction(edit)),
        lyrics=dit_lyric_prompt(request.lyrics, metas.language),
        num_frames=num_frames,
        origins={**_origins(request, CotMetas()), "duration": "source"},
        departures=(),
    )


def edit_instruction(edit: EditRequest) -> str:
    """What the DiT is told to do; without a track, the sentence without one."""
    tracks = " | ".join(track.upper() for track in edit.tracks)
    sentence = TASK_INSTRUCTIONS[edit.task]
    if not tracks:
        return sentence.replace(" {TRACK} track", " track").replace(" with {TRACKS}", "")
    return sentence.format(TRACK=tracks, TRACKS=tracks)


def text2music_prompt(metas: DecidedMetas) -> str:
    """The text prompt that an edit goes on with once its source is no longer followed."""
    return dit_text_prompt(metas, instruction=TEXT2MUSIC_INSTRUCTION)


def morph_source_prompt(edit: EditRequest, prompt: DitPrompt) -> tuple[str, str]:
    """Text and lyric prompt of what a morph's source was made from: its own words, the take's metas."""
    metas = replace(prompt.metas, caption=edit.flow_edit_source_caption)
    lyrics = dit_lyric_prompt(edit.flow_edit_source_lyrics, prompt.metas.language)
    return dit_text_prompt(metas, instruction=edit_instruction(edit)), lyrics


def _departures(origins: Mapping[str, str], cot: Cot | None) -> tuple[str, ...]:
    """Where the prompt differs from what upstream would have made of the same, in words."""
    found = []
    if origins["caption"] == "decided" and cot is not None and "caption" in unquoted(cot.text):
        found.append("caption: without the quotes the chain of thought wrote it in; upstream takes them for its text")
    if origins["language"] == "decided":
        found.append("language: the chain of thought's; upstream looks for it under another key and says `unknown`")
    return tuple(found)


def _length(seconds: float, codes: Codes | None) -> int:
    return num_frames(seconds) if codes is None else LATENTS_PER_CODE * len(codes.codes)


def num_frames(duration: float) -> int:
    """Latent frames for a duration in seconds, rounded up as diffusers does, float error aside."""
    return math.ceil(round(duration * LATENT_RATE, 6))


def _origins(request: LatentsRequest, said: CotMetas) -> dict[str, str]:
    metas = request.metas
    return {
        "caption": "decided" if request.use_cot_caption and said.caption else "asked",
        "language": _origin(metas.vocal_language, said.language if request.use_cot_language else None),
        "bpm": _origin(metas.bpm, said.bpm),
        "keyscale": _origin(metas.keyscale, said.keyscale),
        "timesignature": _origin(metas.timesignature, said.timesignature),
        "duration": _origin(metas.duration, said.duration),
    }


def _origin(own: object, decided: object) -> str:
    return "asked" if own else "decided" if decided else "default"
