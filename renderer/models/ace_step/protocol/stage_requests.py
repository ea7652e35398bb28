"""A take -> what each of its stages is asked, by ACE-Step's rules on which stages run at all; `stages.py` names these.

Source: ace-step/ACE-Step-1.5, acestep/inference.py (which switches run which phase).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from renderer.errors import UsageError
from renderer.facts import MAX_DURATION
from renderer.models.ace_step.protocol.edit_requests import (
    SECTIONS,
    edit_request,
    is_spliced,
    names_sections,
    refuse_unfit_task,
    seconds_of,
    source_request,
    splice_request,
)
from renderer.models.ace_step.protocol.metas import UNKNOWN_LANGUAGE
from renderer.models.ace_step.protocol.names import AUDIO_TOKENS, CODES, COT, LATENTS, TIMESTAMPS, WAVEFORM
from renderer.models.ace_step.protocol.requests import (
    AudioTokensRequest,
    CodesRequest,
    CotRequest,
    LatentsRequest,
    PlanScoreRequest,
    ReferenceRequest,
    TimestampsRequest,
    WaveformRequest,
)
from renderer.models.ace_step.protocol.resolve import resolved, without_idle
from renderer.models.ace_step.protocol.sound_files import look_at
from renderer.models.take_requests import TakeStage
from renderer.settings import Metas
from renderer.song import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.models.ace_step.protocol.alignment_heads import Heads
    from renderer.models.ace_step.protocol.requests import NamedSound, SourceRequest
    from renderer.models.catalog.zoo import ModelFacts
    from renderer.song import Pinned, Take, TakeEdit

Request = TypeVar("Request", CotRequest, CodesRequest, LatentsRequest)
Seeded = TypeVar("Seeded", CodesRequest, LatentsRequest)
Asked = TypeVar("Asked")


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
    others: Mapping[str, Take] = field(default_factory=dict)
    """The takes that an edit may start from, by their names."""
    asked: dict[Callable[[TakeContext], object], object] = field(default_factory=dict)
    """What `once` was answered: the same for every seed of the variant."""

    def is_beside(self, take: Take) -> bool:
        """Whether a take is of the same variant of the same song."""
        return self.take.song is take.song and self.take.variant is take.variant

    def beside(self, take: Take) -> TakeContext:
        """Of another seed of the same variant."""
        return replace(self, take=take)

    def once(self, ask: Callable[[TakeContext], Asked]) -> Asked:
        """What hangs on no seed, asked for the first of a variant's takes: thousands are planned at once."""
        if ask not in self.asked:
            self.asked[ask] = ask(self)
        return self.asked[ask]  # type: ignore[return-value]  # what it gave

    @property
    def thinking(self) -> bool:
        """Whether codes are made, or pinned; the LM never writes any for an edit."""
        return self.take.variant.inference.thinking and self.take.variant.edit is None

    @property
    def source_file(self) -> NamedSound | None:
        """The file that an edit starts from."""
        edit = self.take.variant.edit
        return look_at(edit.source.path, self.limit) if edit and isinstance(edit.source, FileSource) else None

    @property
    def pinned(self) -> Pinned | None:
        """What stands in place of what the LM would write."""
        return self.take.song.pinned if self.thinking else None

    @property
    def runs_cot(self) -> bool:
        """Whether the LM thinks first: where metas are open."""
        metas = self.take.song.metas
        is_open = None in (metas.bpm, metas.keyscale, metas.timesignature, metas.duration)
        return (
            self.take.variant.edit is None
            and self.pinned is None
            and self.take.variant.inference.use_cot_metas
            and is_open
        )

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


def take_context(
    take: Take,
    facts: ModelFacts,
    preview: float | None,
    heads: Heads | None = None,
    others: Mapping[str, Take] | None = None,
) -> TakeContext:
    """A take with its lengths; `preview` is the seconds after which a shorter render stops.

    Raises: UsageError when the take is longer than its model makes, or an edit of what can't be edited.
    """
    if take.variant.edit is not None:
        return replace(_edit_context(take, facts, preview, others), heads=heads)
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


def _edit_context(
    take: Take, facts: ModelFacts, preview: float | None, others: Mapping[str, Take] | None
) -> TakeContext:
    if preview is not None:
        raise UsageError(
            f"`{take.name}` is an edit, of which there is no preview",
            help="render it whole, or leave it out of the preview",
        )
    limit = int(take.song.max_duration or facts.max_duration)
    if take.variant.edit is not None:
        refuse_unfit_task(take, take.variant.edit, facts.kind)
    seconds = seconds_of(take, others, limit)
    if seconds is not None and seconds > limit:
        raise UsageError(f"`{take.name}` will be {seconds:g} s long, `{facts.name}` makes at most {limit} s")
    return TakeContext(take=take, facts=facts, limit=limit, length=seconds, preview=None, others=others or {})


def inputs_of(context: TakeContext) -> Mapping[str, Mapping[str, TakeStage]]:
    """What an edit's stages build on of other takes: stage -> input's name -> their stage."""
    edit = context.take.variant.edit
    if edit is None or isinstance(edit.source, FileSource):
        return {}
    source = {"source": TakeStage(take=edit.source.take, stage=LATENTS)}
    if names_sections(edit):
        source[SECTIONS] = TakeStage(take=edit.source.take, stage=TIMESTAMPS)
    inputs = {LATENTS: source, TIMESTAMPS: source} | ({AUDIO_TOKENS: source} if edit.task == "cover" else {})
    if is_spliced(context.take):
        inputs[WAVEFORM] = dict(splice_request(context.take, context.others, context.limit)[1])
    return inputs


def ask_source(context: TakeContext) -> SourceRequest | None:
    """Of the VAE's encoder: a file that an edit starts from; a take hands its latents on."""
    edit, file = context.take.variant.edit, context.source_file
    return source_request(edit, file) if edit and file else None


def ask_reference(context: TakeContext) -> ReferenceRequest | None:
    """Of the VAE's encoder: what a take's timbre is taken from."""
    path = context.take.variant.reference_audio
    return None if path is None else ReferenceRequest(file=look_at(path, MAX_DURATION))


def ask_audio_tokens(context: TakeContext) -> AudioTokensRequest | None:
    """Of the audio tokenizer: a cover follows its source by codes."""
    edit = context.take.variant.edit
    return AudioTokensRequest() if edit is not None and edit.task == "cover" else None


def ask_cot(context: TakeContext) -> CotRequest | None:
    """Of the LM's first phase."""
    return context.once(_cot)


def _cot(context: TakeContext) -> CotRequest | None:
    return without_idle(context.request(CotRequest, COT)) if context.runs_cot else None


def ask_codes(context: TakeContext) -> CodesRequest | None:
    """Of the LM's second phase."""
    request = context.once(_codes)
    # Where nothing is drawn, its seed is the neutral one, of whatever take.
    return with_seed(request, context.take.seed) if request is not None and request.lm_temperature > 0 else request


def _codes(context: TakeContext) -> CodesRequest | None:
    if not context.thinking or context.pinned is not None:
        return None
    request = context.request(CodesRequest, CODES, preview=context.preview, seed=context.take.seed)
    return without_idle(request)


def with_seed(request: Seeded, seed: int) -> Seeded:
    """The request of another seed."""
    # Not `replace`, which sets thirty fields one by one, for each of thousands of takes.
    other = object.__new__(type(request))
    vars(other).update(vars(request), seed=seed)
    return other


def ask_plan_score(context: TakeContext) -> PlanScoreRequest | None:
    """Of the LM once more, where plans are to be compared; the beginning of one tells too little of its lyrics."""
    return context.once(_plan_score)


def _plan_score(context: TakeContext) -> PlanScoreRequest | None:
    song = context.take.song
    wanted = context.preview is None and (song.scores_plans or song.pick is not None)
    codes = ask_codes(context) if wanted else None
    if codes is None:
        return None
    language = song.metas.vocal_language
    own = None if language == UNKNOWN_LANGUAGE else language
    return PlanScoreRequest(caption=codes.caption, lyrics=codes.lyrics, metas=replace(codes.metas, vocal_language=own))


def ask_latents(context: TakeContext) -> LatentsRequest:
    """Of the DiT: all that the music hangs on."""
    return with_seed(context.once(_latents), context.take.seed)


def _latents(context: TakeContext) -> LatentsRequest:
    """With what hangs on other settings, the checkpoint and the chain of thought in more than being on or off."""
    facts, has_cot, edit = context.facts, context.has_cot, context.take.variant.edit
    request = context.request(LatentsRequest, LATENTS, preview=context.preview, seed=context.take.seed)
    if edit is not None:
        request = _of_edit(request, context, edit)
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
    # A preview is the whole song's lyrics on its beginning: they have no times there.
    if context.take.song.instrumental or context.heads is None or context.preview is not None:
        return None
    return TimestampsRequest(latents=ask_latents(context), heads=context.heads)


def idle_stages(context: TakeContext) -> frozenset[str]:
    """The stages that nobody wants for the take itself: they run where an edit of it needs their results."""
    song = context.take.song
    wanted = song.has_words if song.output.timestamps is None else song.output.timestamps
    return frozenset() if wanted else frozenset({TIMESTAMPS})


def ask_waveform(context: TakeContext) -> WaveformRequest:
    """Of the VAE: the whole of what is rendered."""
    return context.once(_waveform)


def _waveform(context: TakeContext) -> WaveformRequest:
    if is_spliced(context.take):
        return WaveformRequest(splice=splice_request(context.take, context.others, context.limit)[0])
    return WaveformRequest(duration=context.length)


def _of_edit(request: LatentsRequest, context: TakeContext, edit: TakeEdit) -> LatentsRequest:
    """What is told of a source's length is its own, or comes with its latents."""
    seconds = context.source_file.seconds if context.source_file else None
    asked = replace(
        request,
        metas=replace(request.metas, duration=seconds),
        max_duration=MAX_DURATION,
        edit=edit_request(context.take, edit, context.source_file),
    )
    # A morph goes its own way, upstream's without these.
    alone = {"infer_method": "ode", "sampler_mode": "euler", "dcw_enabled": False, "retake_variance": 0.0}
    return replace(asked, **alone) if edit.task == "morph" else asked  # type: ignore[arg-type]  # settings' own values


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
