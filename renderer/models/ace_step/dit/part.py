"""The DiT stage: prompts, metas and codes to latents, one take at a time."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch

from renderer.artifacts import Latents
from renderer.errors import StageError
from renderer.models import device as devices
from renderer.models import memory
from renderer.models.ace_step.checkpoints.checks import check_scheduler, check_silence
from renderer.models.ace_step.checkpoints.components import find_component, read_ready
from renderer.models.ace_step.checkpoints.on_disk import SILENCE, left_out
from renderer.models.ace_step.checkpoints.stored import named
from renderer.models.ace_step.dit.conditions import Encoders, Hearing, cuts, silent_timbre, silent_timbre_by_token
from renderer.models.ace_step.dit.dcw import Dcw
from renderer.models.ace_step.dit.denoise import (
    Sampling,
    custom_timesteps,
    denoise,
    initial_noise,
    retaken,
    shifted_timesteps,
    turbo_timesteps,
)
from renderer.models.ace_step.dit.fused import FusedDit
from renderer.models.ace_step.dit.lora import merge
from renderer.models.ace_step.dit.plain import PlainDit
from renderer.models.ace_step.jobs import Abandoned, run_alone, value_alone
from renderer.models.ace_step.protocol.dit_prompt import brief
from renderer.models.ace_step.protocol.text_tokens import load_text_tokens
from renderer.models.ace_step.stages import Part, Stage
from renderer.models.catalog import layouts
from renderer.models.family import Failed
from renderer.models.kernels.prefetch import Ahead, reached
from renderer.models.kernels.qwen3 import fuse
from renderer.provenance import DitNotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from renderer.artifacts import Codes, Cot
    from renderer.models.ace_step.checkpoints.components import Component
    from renderer.models.ace_step.dit.velocity import Conditions, Dit
    from renderer.models.ace_step.protocol.dit_prompt import Briefing
    from renderer.models.ace_step.protocol.requests import LatentsRequest
    from renderer.models.device import Dtypes
    from renderer.models.family import Done, Listener, ModelFiles, Settings, StageJob

WORK_BYTES = 2_000_000_000  # what the DiT's activations take at the longest lengths


class LoadedDit:
    """The encoders, and the DiT, read when first needed; where both don't fit, the encoders go before it comes."""

    def __init__(self, loading: Loading, encoders: Encoders, unread: Component) -> None:
        self._loading = loading
        self._encoders: Encoders | None = encoders
        self._unread: Component | None = unread
        self._dit: Dit | None = None

    def run(self, stage: str, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:  # noqa: ARG002 - the seam's; this part has one stage
        """Latents for each job; one job at a time, so that no take hears another's padding."""
        aside = devices.Aside(self._loading.device)
        briefs = self._briefs(jobs, listener, aside)
        if not self._beside():
            briefs = iter(list(briefs))
        dit, ahead = self.dit(listener), Ahead(briefs)
        for job, briefed in ahead:
            if isinstance(briefed, Failed):
                yield briefed
            else:
                heard = briefed.conditions
                aside.hand_over(heard.encoded, heard.null, heard.context)
                yield from run_alone(job, partial(self._latents, dit, job, briefed, listener, ahead.fetch))

    def _briefs(
        self, jobs: Sequence[StageJob], listener: Listener, aside: devices.Aside
    ) -> Iterator[tuple[StageJob, Briefed | Failed]]:
        hearing = Hearing(self.encoders(listener))
        for job in jobs:
            if not listener.cancelled(job.id):
                yield job, value_alone(job, partial(aside.run, partial(_brief_job, hearing, job)))

    def _beside(self) -> bool:
        """Whether encoders and DiT work in turns: a take's conditions are made while the DiT computes the one before.

        Elsewhere the encoders have to go, or nothing is gained.
        """
        return self._loading.device.type == "cuda" and (self._dit is not None or self._loading.has_room())

    def encoders(self, listener: Listener) -> Encoders:
        """The encoders, read again when they had to make room."""
        if self._encoders is None:
            self._encoders = self._loading.encoders(listener)
        return self._encoders

    def dit(self, listener: Listener) -> Dit:
        """The DiT, read when it is first needed; the encoders go where both don't fit."""
        if self._dit is None:
            self._make_room()
            # Taken out first: after a failure half way it is neither read nor unread, so the next try begins anew.
            unread, self._unread = self._unread or self._loading.unread_dit(), None
            self._dit = self._loading.dit(unread, listener)
        return self._dit

    def close(self) -> None:
        """Drop the weights and free the device's memory."""
        devices.synchronise(self._loading.device)  # aside, encoders may still be at work
        self._dit = self._encoders = self._unread = None
        devices.release(self._loading.device)

    def _make_room(self) -> None:
        """Drop the encoders where they and the DiT don't fit side by side; a later run reads them again."""
        if not self._loading.has_room():
            devices.synchronise(self._loading.device)
            self._encoders = None
            devices.release(self._loading.device)

    def _latents(
        self, dit: Dit, job: StageJob, briefed: Briefed, listener: Listener, meanwhile: Callable[[], None]
    ) -> Latents:
        began, apart = time.perf_counter(), [0.0]

        def next_one() -> None:
            started = time.perf_counter()
            meanwhile()
            apart.append(time.perf_counter() - started)

        sampling = _sampling(cast("LatentsRequest", job.request), self._loading.files.kind)
        frames = _denoised(dit, job, briefed.conditions, sampling, listener, next_one)
        seconds = time.perf_counter() - began - sum(apart) + briefed.seconds
        notes = _notes(briefed, sampling, seconds, _left_out(self._loading.left_out))
        return Latents(frames=frames, notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """Where a DiT and its encoders are read from, and what to."""

    files: ModelFiles
    settings: Settings
    dtypes: Dtypes
    device: torch.device
    left_out: tuple[str, ...]
    """Names of the checkpoint's tensors that are part of nothing."""
    timbre: Callable[[Any], Tensor]
    """How this set's condition encoder hears silence."""

    def encoders(self, listener: Listener) -> Encoders:
        """Text and condition encoder and, where there is one, the audio tokenizer pair.

        Raises: ModelError when a component is missing or isn't what it claims.
        """
        paired = layouts.has_audio_tokenizer(self.files)
        tokens, text_encoder = load_text_tokens(self.files), self._text_encoder(listener)
        condition_encoder = self._load("condition_encoder", self.dtypes.condition_encoder, listener)
        check_silence(condition_encoder.silence_latent, self.files)
        pair = ("audio_tokenizer", "audio_token_detokenizer")
        tokenizer, detokenizer = (
            self._load(name, self.dtypes.condition_encoder, listener) if paired else None for name in pair
        )
        timbre = self.timbre(condition_encoder)
        devices.synchronise(self.device)  # they work aside, where nothing waits for what the main queue is at
        return Encoders(
            tokens=tokens,
            text_encoder=text_encoder,
            condition_encoder=condition_encoder,
            audio_tokenizer=tokenizer,
            audio_token_detokenizer=detokenizer,
            timbre=timbre,
            device=self.device,
            dtype=getattr(torch, self.dtypes.dit),
        )

    def unread_dit(self) -> Component:
        """The DiT, checked, without its weights.

        Raises: ModelError when it isn't what it claims.
        """
        return find_component(self.files, "dit")

    def dit(self, unread: Component, listener: Listener) -> Dit:
        """The DiT with its adapters, in the device's kernels.

        Raises: ModelError when an adapter doesn't fit it.
        """
        transformer = unread.load(dtype=self.dtypes.dit, device=self.device, listener=listener)
        merge(transformer, self.files.loras)
        return DITS[devices.kernels(self.settings.device, self.dtypes.dit)](transformer)

    def has_room(self) -> bool:
        """Whether the DiT fits beside what is resident."""
        count = memory.parameters(self.files, Part.DIT)["dit"]
        return devices.free_bytes(self.device) > count * memory.ITEM_SIZE[self.dtypes.dit] + WORK_BYTES

    def _text_encoder(self, listener: Listener) -> Any:
        text_encoder = self._load("text_encoder", self.dtypes.text_encoder, listener)
        if devices.kernels(self.settings.device, self.dtypes.dit) != "plain":
            fuse(text_encoder)
        return text_encoder

    def _load(self, component: str, dtype: str, listener: Listener) -> Any:
        return find_component(self.files, component).load(dtype=dtype, device=self.device, listener=listener)


DITS: Mapping[str, Callable[[Any], Dit]] = {
    "plain": PlainDit,
    "blockwise": FusedDit,
    "flash": partial(FusedDit, flash=True),
}


def load_dit(files: ModelFiles, settings: Settings, listener: Listener) -> LoadedDit:
    """The encoders on the device, the DiT checked but not read yet.

    Raises: ModelError when a component is missing or isn't what it claims.
    """
    device = devices.prepare(settings.device, settings.threads)
    check_scheduler(files)
    unread = find_component(files, "dit")
    loading = Loading(
        files=files,
        settings=settings,
        dtypes=devices.dtypes(settings.device, settings.dtype),
        device=device,
        left_out=left_out(files),
        timbre=silent_timbre_by_token if _is_xl(unread) else silent_timbre,
    )
    return LoadedDit(loading, loading.encoders(listener), unread)


def _is_xl(dit: Component) -> bool:
    """Whether the DiT is wider than its encoders: how XL sets are told from the others, in either layout."""
    sizes = dit.module.config
    return sizes.encoder_hidden_size not in (None, sizes.hidden_size)


def examine_dit(files: ModelFiles) -> None:
    """Read the small files whose content decides whether the DiT can work: encoded silence, the text tokenizer.

    Raises: ModelError when they aren't what they should be.
    """
    check_silence(read_ready(files, "condition_encoder", SILENCE), files)
    load_text_tokens(files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefed:
    """A job ready for the DiT."""

    briefing: Briefing
    conditions: Conditions
    cut: tuple[str, ...]
    seconds: float
    """That making the conditions took."""


def _brief_job(hearing: Hearing, job: StageJob) -> Briefed:
    began = time.perf_counter()
    codes = _codes(job)
    briefing = brief(cast("LatentsRequest", job.request), cast("Cot | None", job.upstream.get(Stage.COT)), codes)
    numbers = codes.codes if codes is not None else None
    cut = cuts(hearing.encoders.tokens, briefing.text, briefing.lyrics)
    return Briefed(
        briefing=briefing,
        conditions=hearing.conditions(briefing.text, briefing.lyrics, numbers, briefing.num_frames),
        cut=cut,
        seconds=time.perf_counter() - began,
    )


def _denoised(
    dit: Dit,
    job: StageJob,
    conditions: Conditions,
    sampling: Sampling,
    listener: Listener,
    meanwhile: Callable[[], None],
) -> npt.NDArray[np.float32]:
    """[frames, channels]."""
    context = conditions.context
    request = cast("LatentsRequest", job.request)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    noise = initial_noise(context.shape[1], context.shape[2] // 2, generator)
    if request.retake_seed is not None:
        retake = torch.Generator("cpu").manual_seed(request.retake_seed)
        noise = retaken(noise, initial_noise(noise.shape[1], noise.shape[2], retake), request.retake_variance)
    clean = noise = devices.sent(noise, context.device).to(context.dtype)
    with torch.no_grad():
        velocity = dit.velocity(conditions)
    steps = reached(denoise(velocity, noise, sampling, generator), context.device, meanwhile)
    for done, latents in enumerate(steps, start=1):
        listener.progress(job.id, done, len(sampling.timesteps), "steps")
        if listener.cancelled(job.id):
            raise Abandoned
        clean = latents
    frames: npt.NDArray[np.float32] = clean[0].float().cpu().numpy()
    return frames


def _sampling(request: LatentsRequest, kind: str) -> Sampling:
    turbo = kind == "turbo"
    if request.timesteps is not None:
        timesteps = custom_timesteps(request.timesteps, turbo=turbo)
    else:
        timesteps = (turbo_timesteps if turbo else shifted_timesteps)(request.steps, request.shift)
    # Turbo's last step goes straight to the end, as upstream has it.
    averaged = len(timesteps) - (1 if turbo else 0)
    return Sampling(
        timesteps=timesteps,
        # Guidance is distilled into turbo checkpoints; run on top it only distorts.
        guidance_scale=1.0 if turbo else request.guidance_scale,
        interval=(request.cfg_interval_start, request.cfg_interval_end),
        stochastic=request.infer_method == "sde",
        averaged_steps=averaged if request.sampler_mode == "heun" else 0,
        dcw=_dcw(request),
    )


def _dcw(request: LatentsRequest) -> Dcw | None:
    if not request.dcw_enabled or request.dcw_mode is None:
        return None
    return Dcw(mode=request.dcw_mode, scaler=request.dcw_scaler or 0.0, high_scaler=request.dcw_high_scaler or 0.0)


def _codes(job: StageJob) -> Codes | None:
    """The job's codes.

    Raises: StageError when the LM wrote none at all: there is nothing to play.
    """
    codes = cast("Codes | None", job.upstream.get(Stage.CODES))
    if codes is not None and not len(codes.codes):
        raise StageError(
            "the LM wrote no codes", why="it ended the song at once", help="give the song a duration, or another seed"
        )
    return codes


def _left_out(names: tuple[str, ...]) -> tuple[str, ...]:
    """What to tell of tensors that were not read."""
    return (f"the checkpoint's {named(names)} belong to no part of the model and were left out",) if names else ()


def _notes(briefed: Briefed, sampling: Sampling, seconds: float, left_out: tuple[str, ...]) -> DitNotes:
    """How the latents were made, for recipe and report."""
    briefing = briefed.briefing
    return DitNotes(
        seconds=seconds,
        cut=briefed.cut,
        left_out=left_out,
        text_prompt=briefing.text,
        lyric_prompt=briefing.lyrics,
        metas=asdict(briefing.metas),
        origins=briefing.origins,
        departures=briefing.departures,
        num_frames=briefing.num_frames,
        timesteps=tuple(sampling.timesteps),
        guidance_scale=sampling.guidance_scale,
    )
