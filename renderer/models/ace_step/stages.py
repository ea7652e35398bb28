"""ACE-Step 1.5's table: its stages and the parts that run them. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renderer.artifacts import Codes, Cot, EncodedSound, Latents, PlanScore, Timestamps, Waveform
from renderer.facts import CODE_RATE, LATENT_CHANNELS, LATENT_RATE
from renderer.models.ace_step.family import AceStep
from renderer.models.ace_step.protocol.names import (
    AUDIO_TOKENS,
    CODES,
    COT,
    DIT,
    ENCODER,
    LATENTS,
    LM,
    PLAN_SCORE,
    REFERENCE,
    SOURCE,
    TIMESTAMPS,
    VAE,
    WAVEFORM,
)
from renderer.models.ace_step.protocol.requests import (
    AudioTokensRequest,
    CodesRequest,
    CotRequest,
    LatentsRequest,
    PlanScoreRequest,
    ReferenceRequest,
    SourceRequest,
    TimestampsRequest,
    WaveformRequest,
)
from renderer.models.ace_step.protocol.stage_requests import (
    ask_audio_tokens,
    ask_codes,
    ask_cot,
    ask_latents,
    ask_plan_score,
    ask_reference,
    ask_source,
    ask_timestamps,
    ask_waveform,
)
from renderer.models.stage_spec import Cost, FormerVersion, PartSpec, StageSpec
from renderer.spec.checkpoints import is_dit_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from renderer.models.family import Family
    from renderer.models.model_files import ModelFiles


COT_SECONDS = 60.0  # a chain of thought takes the cache of about so long a song
USUAL_COT_TOKENS = 150.0
USUAL_SONG_SECONDS = 150.0  # where the LM decides: the limits are a multiple of what most take
LATENT_BYTES = LATENT_CHANNELS * 4  # a frame of float32
LM_PACE = 0.025  # a slot of 16; this and the other paces: 64 songs of 180 s on an H100, tests/bench/results


def _song_seconds(request: CodesRequest | LatentsRequest) -> float:
    length = request.metas.duration or float(request.max_duration)
    return min(length, request.preview) if request.preview else length


def _num_codes(request: CodesRequest) -> float | None:
    """How many codes a request leads to, where it says so."""
    return _song_seconds(request) * CODE_RATE if request.metas.duration or request.preview else None


def _likely_seconds(request: CodesRequest | LatentsRequest) -> float:
    """About how long the song will be: where the LM decides, limits say nothing."""
    length = request.metas.duration or USUAL_SONG_SECONDS
    return min(length, request.preview) if request.preview else length


def _dit_work(request: LatentsRequest) -> float:
    return _likely_seconds(request) * request.inference_steps


_ENCODING = Cost(
    seconds=lambda request: request.file.seconds,
    work=lambda request: request.file.seconds,
    bytes_per_second=LATENT_RATE * LATENT_BYTES,
    pace=0.002,
)
_CONDITIONS = {
    "cot": COT,
    "codes": CODES,
    "source": SOURCE,
    "audio_tokens": AUDIO_TOKENS,
    "reference": REFERENCE,
}
"""What the DiT is conditioned on: whoever looks at latents once more hears what they were made with."""
_ASKED = "asked as ACE-Step asked until April 2026"
_STAGES = (
    StageSpec(
        name=COT,
        part=LM,
        version=2,
        former={
            1: FormerVersion(
                words=f"cot: {_ASKED}",
                explains=frozenset({"weights", "lm_cfg_scale", "lm_negative_prompt"}),
            )
        },
        request=CotRequest,
        ask=ask_cot,
        runner="renderer.models.ace_step.lm.part:LmPart.cot",
        artifact=Cot,
        cost=Cost(seconds=lambda _: COT_SECONDS, usual_units=USUAL_COT_TOKENS, total_is_limit=True, pace=LM_PACE),
        named_by=("model", "based_on", "lm"),
        told_in_tags=True,
    ),
    StageSpec(
        name=CODES,
        part=LM,
        needs={"cot": COT},
        version=2,
        former={1: FormerVersion(words=f"codes: {_ASKED}", explains=frozenset({"weights"}))},
        request=CodesRequest,
        ask=ask_codes,
        runner="renderer.models.ace_step.lm.part:LmPart.codes",
        artifact=Codes,
        cost=Cost(
            seconds=_song_seconds,
            units=_num_codes,
            usual_units=USUAL_SONG_SECONDS * CODE_RATE,
            work=_likely_seconds,
            pace=LM_PACE,
        ),
        named_by=("model", "based_on", "lm"),
    ),
    StageSpec(
        name=PLAN_SCORE,
        part=LM,
        needs={"cot": COT, "codes": CODES},
        version=1,
        request=PlanScoreRequest,
        ask=ask_plan_score,
        runner="renderer.models.ace_step.lm.part:LmPart.plan_score",
        artifact=PlanScore,
        cost=Cost(seconds=lambda request: request.metas.duration or USUAL_SONG_SECONDS, pace=LM_PACE / 20),
        named_by=("model", "based_on", "lm"),
        wanted=True,
        flag="--plan-scores",
    ),
    StageSpec(
        name=SOURCE,
        part=ENCODER,
        version=1,
        request=SourceRequest,
        ask=ask_source,
        runner="renderer.models.ace_step.vae.encoder:LoadedEncoder.source",
        artifact=EncodedSound,
        cost=_ENCODING,
        named_by=("model", "based_on", "vae"),
    ),
    StageSpec(
        name=REFERENCE,
        part=ENCODER,
        version=1,
        request=ReferenceRequest,
        ask=ask_reference,
        runner="renderer.models.ace_step.vae.encoder:LoadedEncoder.reference",
        artifact=EncodedSound,
        cost=_ENCODING,
        named_by=("model", "based_on", "vae"),
    ),
    StageSpec(
        name=AUDIO_TOKENS,
        part=DIT,
        needs={"source": SOURCE},
        version=1,
        request=AudioTokensRequest,
        ask=ask_audio_tokens,
        runner="renderer.models.ace_step.dit.part:LoadedDit.audio_tokens",
        artifact=Codes,
        cost=Cost(seconds=lambda _: 0.0, pace=0.0001),
        named_by=("model", "based_on"),
    ),
    StageSpec(
        name=LATENTS,
        part=DIT,
        needs=_CONDITIONS,
        version=3,
        former={
            2: FormerVersion(
                words="latents: denoised as ACE-Step did until April 2026",
                explains=frozenset({"weights", "dcw_enabled", "dcw_mode", "dcw_scaler", "dcw_high_scaler"}),
            )
        },
        request=LatentsRequest,
        ask=ask_latents,
        runner="renderer.models.ace_step.dit.part:LoadedDit.latents",
        artifact=Latents,
        cost=Cost(seconds=_song_seconds, bytes_per_second=LATENT_RATE * LATENT_BYTES, work=_dit_work, pace=0.001),
        named_by=("model", "based_on", "lora"),
    ),
    StageSpec(
        name=TIMESTAMPS,
        part=DIT,
        needs={**_CONDITIONS, "latents": LATENTS},
        version=1,
        request=TimestampsRequest,
        ask=ask_timestamps,
        runner="renderer.models.ace_step.dit.part:LoadedDit.timestamps",
        artifact=Timestamps,
        cost=Cost(seconds=lambda request: _song_seconds(request.latents), pace=0.0005),
        named_by=("model", "based_on", "lora"),
        wanted=True,
        if_lacking="give the windows in seconds: `at = [[2.0, 5.0]]`",
    ),
    StageSpec(
        name=WAVEFORM,
        part=VAE,
        needs={"latents": LATENTS},
        version=2,
        former={
            1: FormerVersion(
                words="waveform: weights were known by other files before 0.2.0", explains=frozenset({"weights"})
            )
        },
        request=WaveformRequest,
        ask=ask_waveform,
        runner="renderer.models.ace_step.vae.part:LoadedVae.waveform",
        artifact=Waveform,
        cost=Cost(
            seconds=lambda request: request.duration or 0.0,
            work=lambda request: request.duration or USUAL_SONG_SECONDS,
            pace=0.0011,
        ),
        named_by=("model", "based_on", "vae"),
    ),
)


def _dit_reads(files: ModelFiles) -> tuple[object, ...]:
    return (files.layout, files.kind, files.dit, files.dit_file, files.text_encoder, files.loras)


def _dit_file(models: Mapping[str, Any]) -> str | None:
    """`merge.safetensors on sft`."""
    names = (models["model"], models["based_on"])
    return " on ".join(filter(None, names)) if is_dit_file(models["model"]) else None


_PARTS = (
    PartSpec(
        name=LM,
        title="LM",
        activity="language model",
        lane="language model",
        components=("lm",),
        window=100_000,  # it refills its slots from all of them
        at_once=True,
        slots=lambda settings: settings.lm_slots,
        load_seconds=0.5,
        reads=lambda files: (files.lm, files.lm_quantization),
        agrees_with=(DIT,),  # its codes are the DiT's codebooks
        if_too_large="take a smaller LM (--lm 0.6B), or close other programs",
        settings=lambda settings: {"lm_slots": settings.lm_slots},
    ),
    PartSpec(
        name=ENCODER,
        title="VAE's encoder",
        activity="encoding",
        lane="encoder",
        components=("vae",),
        window=32,
        reads=lambda files: (files.vae,),
        exchanged={"vae": lambda models: models["vae"]},
    ),
    PartSpec(
        name=DIT,
        title="DiT",
        activity="diffusion",
        lane="diffusion",
        components=("text_encoder", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "dit"),
        window=32,
        load_seconds=0.5,
        reads=_dit_reads,
        exchanged={"dit": _dit_file},
        if_too_large="take a smaller model set (2B instead of XL), or close other programs",
    ),
    PartSpec(
        name=VAE,
        title="VAE",
        activity="decoding",
        lane="decoder",
        components=("vae",),
        window=32,
        load_seconds=0.2,
        reads=lambda files: (files.vae,),
        exchanged={"vae": lambda models: models["vae"]},
        settings=lambda settings: {"vae_tile": settings.vae_tile, "vae_overlap": settings.vae_overlap},
    ),
)


FAMILY: Family = AceStep(stages={stage.name: stage for stage in _STAGES}, parts={part.name: part for part in _PARTS})
