"""A take -> what each of its stages is asked, by ACE-Step's rules on which stages run at all; `stages.py` names these.

Source: ace-step/ACE-Step-1.5, acestep/inference.py (which switches run which phase).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from renderer.errors import UsageError
from renderer.facts import MAX_DURATION
from renderer.models.ace_step.protocol.metas import UNKNOWN_LANGUAGE
from renderer.models.ace_step.protocol.names import CODES, COT, LATENTS
from renderer.models.ace_step.protocol.requests import (
    CodesRequest,
    CotRequest,
    LatentsRequest,
    TimestampsRequest,
    WaveformRequest,
)
from renderer.models.ace_step.protocol.resolve import resolved, without_idle
from renderer.settings import Metas

if TYPE_CHECKING:
    from renderer.models.ace_step.protocol.alignment_heads import Heads
    from renderer.models.catalog.zoo import ModelFacts
    from renderer.song import Pinned, Take

Request = TypeVar("Request", CotRequest, CodesRequest, LatentsRequest)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeContext:
    """A take as the rules see it."""

    take: Take
    facts: ModelFacts
    limit: int
    """Seconds a song may last."""
    length: float | None
    """Seconds that are rendered; None where the LM decides."""
    preview: float | None
    """Seconds after which it is cut; None where it isn't."""
    heads: Heads | None = None
    """The DiT's that follow the lyrics; None where nobody knows."""

    @property
    def thinking(self) -> bool:
        """Whether codes are made, or pinned."""
        return self.take.variant.inference.thinking

    @property
    def pinned(self) -> Pinned | None:
        """What stands in place of what the LM would write."""
        return self.take.song.pinned if self.thinking else None

    @property
    def runs_cot(self) -> bool:
        """Whether the LM thinks first: where metas are open."""
        metas = self.take.song.metas
        is_open = None in (metas.bpm, metas.keyscale, metas.timesignature, metas.duration)
        return self.pinned is None and self.take.variant.inference.use_cot_metas and is_open

    @property
    def has_cot(self) -> bool:
        """Whether there is a chain of thought, made or pinned."""
        return self.runs_cot or (self.pinned is not None and self.pinned.cot is not None)

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


def take_context(take: Take, facts: ModelFacts, preview: float | None, heads: Heads | None = None) -> TakeContext:
    """A take with its lengths; `preview` is the seconds after which a shorter render stops.

    Raises: UsageError when the take is longer than its model makes.
    """
    song, pinned = take.song, take.song.pinned if take.variant.inference.thinking else None
    preview = None if preview is None else float(preview)  # a program may say 20, and means the command line's 20.0
    limit = int(song.max_duration or facts.max_duration)
    length = _shortened(song.metas.duration, preview)
    seconds = _shortened(pinned.seconds, preview) if length is None and pinned else length
    if seconds is not None and seconds > limit:
        raise UsageError(
            f"`{take.name}` asks for {seconds:g} s, `{facts.name}` makes at most {limit} s",
            help=f"ask for less in `duration`, set `max_duration`, or render its beginning with --preview {limit}",
        )
    # A preview no shorter than the song is the song, under its own key.
    cut = preview if song.metas.duration is None or length != song.metas.duration else None
    return TakeContext(take=take, facts=facts, limit=limit, length=length, preview=cut, heads=heads)


def ask_cot(context: TakeContext) -> CotRequest | None:
    """Of the LM's first phase."""
    return without_idle(context.request(CotRequest, COT)) if context.runs_cot else None


def ask_codes(context: TakeContext) -> CodesRequest | None:
    """Of the LM's second phase."""
    if not context.thinking or context.pinned is not None:
        return None
    request = context.request(CodesRequest, CODES, preview=context.preview, seed=context.take.seed)
    return without_idle(request)


def ask_latents(context: TakeContext) -> LatentsRequest:
    """With what hangs on other settings, the checkpoint and the chain of thought in more than being on or off."""
    facts, has_cot = context.facts, context.has_cot
    request = context.request(LatentsRequest, LATENTS, preview=context.preview, seed=context.take.seed)
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


def ask_timestamps(context: TakeContext) -> TimestampsRequest | None:
    """Of the DiT once more: what is asked of the latents, with the heads that follow the lyrics."""
    song = context.take.song
    wanted = song.has_words if song.output.timestamps is None else song.output.timestamps and not song.instrumental
    # A preview is the whole song's lyrics on its beginning: they have no times there.
    if not wanted or context.heads is None or context.preview is not None:
        return None
    return TimestampsRequest(latents=ask_latents(context), heads=context.heads)


def ask_waveform(context: TakeContext) -> WaveformRequest:
    """Of the VAE: the whole of what is rendered."""
    return WaveformRequest(duration=context.length)


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
