"""The DiT's part and its stage: prompts, metas and codes to latents, one take at a time."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from renderer.artifacts import Latents
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.checks import check_scheduler, check_silence
from renderer.models.ace_step.checkpoints.components import find_component, read_ready
from renderer.models.ace_step.checkpoints.on_disk import SILENCE, unused_tensors
from renderer.models.ace_step.checkpoints.stored import list_names
from renderer.models.ace_step.dit.audio_tokens import tokenize
from renderer.models.ace_step.dit.conditions import ConditionCache, read_timbre, read_timbre_by_token
from renderer.models.ace_step.dit.kept_conditions import KeptConditions
from renderer.models.ace_step.dit.loader import DitLoader
from renderer.models.ace_step.dit.prepare import prepare_take
from renderer.models.ace_step.dit.take import denoise_take, notes_of, sampling_of
from renderer.models.ace_step.dit.timestamps import aligned, attend
from renderer.models.ace_step.jobs import Abandoned, run_alone, value_alone
from renderer.models.ace_step.protocol.text_tokens import load_text_tokens
from renderer.models.kernels.prefetch import Prefetch
from renderer.models.stage_job import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from renderer.models.ace_step.checkpoints.components import FindComponent, Found
    from renderer.models.ace_step.dit.conditions import Encoders
    from renderer.models.ace_step.dit.prepare import PreparedTake
    from renderer.models.ace_step.dit.timestamps import Attended
    from renderer.models.ace_step.dit.velocity import ResidentDit
    from renderer.models.ace_step.protocol.requests import LatentsRequest, TimestampsRequest
    from renderer.models.ace_step.protocol.text_tokens import TextTokens
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Done, Listener, StageJob


MOST_ALIGNED = 4  # takes at once, on as many threads: what one attended to is some 100 MB


class LoadedDit:
    """The encoders, and the DiT, read when first needed; where both don't fit, the encoders go before it comes."""

    def __init__(self, loader: DitLoader, encoders: Encoders, unread: Found) -> None:
        self._loader = loader
        self._encoders: Encoders | None = encoders
        self._unread: Found | None = unread
        self._dit: ResidentDit | None = None
        self._tokens = encoders.tokens
        self._kept = KeptConditions()

    def latents(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """Latents for each job; one job at a time, so that no take attends to another's padding."""
        side_stream = devices.SideStream(self._loader.device)
        takes = self._prepared(jobs, listener, side_stream)
        dit, prefetch = self.dit(listener), Prefetch(takes)
        for job, take in prefetch:
            if isinstance(take, Failed):
                yield take
            else:
                _hand_over(take, side_stream)
                self._kept.keep(job, take)
                for outcome in run_alone(job, partial(self._latents, dit, job, take, listener, prefetch.fetch)):
                    if isinstance(outcome, Failed) and outcome.by_device:
                        # Whatever comes next is to have all of the memory; what was kept is made anew.
                        self._kept = KeptConditions()
                    yield outcome

    def timestamps(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """Timestamps for each job's latents; the DiT sees one at a time, as when it made them."""
        tokens = self._tokens
        threads = min(self._loader.settings.threads, MOST_ALIGNED)
        yield from aligned(self._attended(jobs, tokens, listener), tokens, threads)

    def _attended(
        self, jobs: Sequence[StageJob], tokens: TextTokens, listener: Listener
    ) -> Iterator[tuple[StageJob, Attended | Failed]]:
        side_stream = devices.SideStream(self._loader.device)
        # With the very conditions that the latents were made with.
        asked_latents = [replace(job, request=cast("TimestampsRequest", job.request).latents) for job in jobs]
        takes = self._prepared(asked_latents, listener, side_stream, self._kept)
        dit, by_id = self.dit(listener), {job.id: job for job in jobs}
        for asked, take in takes:
            job = by_id[asked.id]
            if isinstance(take, Failed):
                yield job, take
                continue
            _hand_over(take, side_stream)
            with suppress(Abandoned):
                yield job, value_alone(job, partial(attend, dit, job, take, tokens, listener))

    def _prepared(
        self,
        jobs: Sequence[StageJob],
        listener: Listener,
        side_stream: devices.SideStream,
        kept: KeptConditions | None = None,
    ) -> Iterator[tuple[StageJob, PreparedTake | Failed]]:
        """The jobs' conditions: as they are asked for, or all of them now."""
        takes = self._prepare(jobs, listener, side_stream, kept or KeptConditions())
        # Where encoders and DiT can't both stay, all conditions are made first: each part is then read once a batch.
        return takes if self._beside() else iter(list(takes))

    def audio_tokens(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """What the audio tokenizer makes of a source's latents; one job at a time."""
        encoders = self.encoders(listener)
        tokenizer = self._loader.exact_tokenizer(encoders, listener)
        for job in jobs:
            if not listener.cancelled(job.id):
                yield from run_alone(job, partial(tokenize, encoders, tokenizer, job, listener))

    def _prepare(
        self, jobs: Sequence[StageJob], listener: Listener, side_stream: devices.SideStream, kept: KeptConditions
    ) -> Iterator[tuple[StageJob, PreparedTake | Failed]]:
        cache: ConditionCache | None = None
        for job in jobs:
            if listener.cancelled(job.id):
                continue
            if (take := kept.take_out(job)) is not None:
                yield job, take
                continue
            cache = cache or ConditionCache(self.encoders(listener))
            yield job, value_alone(job, partial(side_stream.run, partial(prepare_take, cache, job)))

    def _beside(self) -> bool:
        """Whether encoders and DiT work in turns: a take's conditions are made while the DiT computes the one before.

        Elsewhere the encoders have to go, or nothing is gained.
        """
        return self._loader.device.type == "cuda" and (self._dit is not None or self._loader.has_room())

    def encoders(self, listener: Listener) -> Encoders:
        """The encoders, read again when they had to make room."""
        if self._encoders is None:
            self._encoders = self._loader.encoders(listener)
        return self._encoders

    def dit(self, listener: Listener) -> ResidentDit:
        """The DiT, read when it is first needed; the encoders go where both don't fit."""
        if self._dit is None:
            self._make_room()
            # Taken out first: after a failure half way it is neither read nor unread, so the next try begins anew.
            unread, self._unread = self._unread or self._loader.unread_dit(), None
            self._dit = self._loader.dit(unread, listener)
        return self._dit

    def close(self) -> None:
        """Drop the weights and free the device's memory."""
        devices.synchronise(self._loader.device)  # on the side stream, encoders may still be at work
        self._dit = self._encoders = self._unread = None
        self._kept = KeptConditions()
        devices.release(self._loader.device)

    def _make_room(self) -> None:
        """Drop the encoders where they and the DiT don't fit side by side; a later run reads them again."""
        if not self._loader.has_room():
            devices.synchronise(self._loader.device)
            self._encoders = None
            devices.release(self._loader.device)

    def _latents(
        self, dit: ResidentDit, job: StageJob, take: PreparedTake, listener: Listener, meanwhile: Callable[[], None]
    ) -> Latents:
        began, apart = time.perf_counter(), [0.0]

        def next_one() -> None:
            started = time.perf_counter()
            meanwhile()
            apart.append(time.perf_counter() - started)

        sampling = sampling_of(cast("LatentsRequest", job.request), self._loader.files.kind)
        frames = denoise_take(dit, job, take, sampling, listener, next_one)
        seconds = time.perf_counter() - began - sum(apart) + take.seconds
        notes = notes_of(take, sampling, seconds, _unused(self._loader.unused))
        return Latents(frames=frames, notes=notes)


def _hand_over(take: PreparedTake, side_stream: devices.SideStream) -> None:
    side_stream.hand_over(*take.tensors)


def load_dit(
    files: ModelFiles, settings: Settings, listener: Listener, find: FindComponent = find_component
) -> LoadedDit:
    """The encoders on the device, the DiT checked but not read yet.

    Raises: ModelError when a component is missing or isn't what it claims.
    """
    device = devices.prepare(settings.device, settings.threads)
    check_scheduler(files)
    unread = find(files, "dit")
    loader = DitLoader(
        files=files,
        settings=settings,
        dtypes=devices.dtypes(settings.device, settings.dtype),
        device=device,
        unused=unused_tensors(files),
        read_timbre=read_timbre_by_token if _is_xl(unread) else read_timbre,
        find=find,
    )
    return LoadedDit(loader, loader.encoders(listener), unread)


def _is_xl(dit: Found) -> bool:
    """Whether the DiT is wider than its encoders: how XL sets are told from the others, in either layout."""
    sizes = dit.module.config
    return sizes.encoder_hidden_size not in (None, sizes.hidden_size)


def examine_dit(files: ModelFiles) -> None:
    """Read the small files whose content decides whether the DiT can work: encoded silence, the text tokenizer.

    Raises: ModelError when they aren't what they should be.
    """
    check_silence(read_ready(files, "condition_encoder", SILENCE), files)
    load_text_tokens(files)


def _unused(names: tuple[str, ...]) -> tuple[str, ...]:
    """What to tell of tensors that were not read."""
    return (f"the checkpoint's {list_names(names)} belong to no part of the model and were left out",) if names else ()
