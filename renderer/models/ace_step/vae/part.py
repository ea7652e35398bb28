"""The VAE stage: latents to sound, tile by tile, checked before it is made loud."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch

from renderer.artifacts import Waveform
from renderer.facts import SAMPLE_RATE, SAMPLES_PER_LATENT, VAE_REACH
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.jobs import Abandoned, is_out_of_memory, run_alone
from renderer.models.ace_step.protocol.line_windows import sample_windows
from renderer.models.ace_step.vae.fused import fuse, give_float32, slim
from renderer.models.ace_step.vae.read_file import read_file
from renderer.models.ace_step.vae.sliced import Sliced
from renderer.models.ace_step.vae.sound import PEAK, PEAK_FLOOR, checked_latents, checked_peak, scale_to_peak
from renderer.models.ace_step.vae.splice import padded, spliced
from renderer.models.ace_step.vae.tiles import Tiles
from renderer.models.ace_step.vae.weight_norm import fold_weight_norm
from renderer.models.kernels.prefetch import as_completed
from renderer.provenance import VaeNotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from renderer.artifacts import Latents
    from renderer.models.ace_step.checkpoints.components import FindComponent
    from renderer.models.ace_step.protocol.requests import SpliceRequest, WaveformRequest
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Done, Failed, Listener, StageJob

SMALLEST_TILE = 32


@dataclass(slots=True)
class LoadedVae:
    """The VAE's decoder, resident."""

    vae: Any
    tiles: Tiles
    device: torch.device

    def waveform(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """A waveform a job; one job at a time."""
        for job in jobs:
            yield from run_alone(job, partial(self._waveform, job, listener))

    def close(self) -> None:
        """Drop the weights and free the device's memory."""
        del self.vae
        devices.release(self.device)

    def _waveform(self, job: StageJob, listener: Listener) -> Waveform:
        request = cast("WaveformRequest", job.request)
        if request.splice is not None:
            return self._spliced(job, request.splice, listener)
        latents = cast("Latents", job.upstream["latents"])
        began = time.perf_counter()
        decoded, tiles = self._decode_within_memory(checked_latents(latents), job.id, listener)
        if request.duration is not None:
            decoded = decoded[:, : round(request.duration * SAMPLE_RATE)]
        peak = checked_peak(decoded, request.duration)
        loud = devices.to_host(scale_to_peak(decoded, peak))
        smaller = f"VAE tiles of {tiles.length} instead of {self.tiles.length}: the memory was full"
        notes = VaeNotes(
            seconds=time.perf_counter() - began,
            tile=tiles.length,
            degraded=None if tiles == self.tiles else (smaller,),
        )
        return Waveform(samples=loud.numpy(), notes=notes)

    def _spliced(self, job: StageJob, request: SpliceRequest, listener: Listener) -> Waveform:
        """What the source's samples are, with each take's windows put between them, the first one's first."""
        began, gains = time.perf_counter(), tuple[float, ...]()
        sound, scale = self._source(job, request, listener)
        for link in request.links:
            frames = checked_latents(cast("Latents", job.upstream[link.latents]))
            made, _ = self._decode_within_memory(frames, job.id, listener)
            checked_peak(made, None)
            windows = sample_windows(link.windows, job.upstream, link.sections)
            sound, gains = spliced(padded(sound, link, windows), made.cpu() * scale, link.crossfade, windows)
        notes = VaeNotes(seconds=time.perf_counter() - began, tile=self.tiles.length, gains=gains)
        return Waveform(samples=sound.numpy(), notes=notes)

    def _source(self, job: StageJob, request: SpliceRequest, listener: Listener) -> tuple[Tensor, float]:
        """The samples that are spliced into, and by how much they are louder than decoded."""
        if request.file is not None:
            return read_file(request.file), 1.0
        frames = checked_latents(cast("Latents", job.upstream["origin"]))
        decoded, _ = self._decode_within_memory(frames, job.id, listener)
        if request.duration is not None:
            decoded = decoded[:, : round(request.duration * SAMPLE_RATE)]
        peak = checked_peak(decoded, request.duration)
        # In the very way in which its own waveform was made: the same bits.
        return devices.to_host(scale_to_peak(decoded, peak)), PEAK / max(peak, PEAK_FLOOR)

    def _decode_within_memory(self, frames: Tensor, job_id: str, listener: Listener) -> tuple[Tensor, Tiles]:
        """The sound and the tiles it took: smaller ones than asked when the device's memory is full.

        Tiles that overlap by the decoder's reach sound the same up to rounding, so a take is worth more than its tiles.
        """
        tiles = self.tiles
        while True:
            try:
                return self._decode(frames, tiles, job_id, listener), tiles
            except RuntimeError as error:
                if not is_out_of_memory(error) or tiles.length <= SMALLEST_TILE:
                    raise
            # Outside the handler: the exception holds what the failed tile had allocated.
            tiles = Tiles(length=max(SMALLEST_TILE, tiles.length // 2), overlap=VAE_REACH)
            devices.release(self.device)

    @torch.no_grad()
    def _decode(self, frames: Tensor, tiles: Tiles, job_id: str, listener: Listener) -> Tensor:
        """[frames, channels] to float32 [2, samples] where sound is worked on, peaks not yet scaled."""
        # Turned on the device: torch's threads, woken for it on the host, take a quarter of a tile's time.
        channels_first = devices.to_device(frames, self.device).T[None].to(self.vae.dtype)
        windows = tiles.windows(frames.shape[0])
        home = devices.home_of_results(self.device)
        sound = torch.empty((2, frames.shape[0] * SAMPLES_PER_LATENT), dtype=torch.float32, device=home)

        def pieces() -> Iterator[None]:
            for start, end, kept_start, kept_end in windows:
                if listener.cancelled(job_id):
                    raise Abandoned
                piece = self.vae.decoder(channels_first[:, :, start:end])[0]
                kept = piece[:, (kept_start - start) * SAMPLES_PER_LATENT : (kept_end - start) * SAMPLES_PER_LATENT]
                sound[:, kept_start * SAMPLES_PER_LATENT : kept_end * SAMPLES_PER_LATENT] = kept
                yield

        # On CUDA the next ones are queued while one is computed, in the same memory; those a cancellation can't stop.
        for done, _ in enumerate(as_completed(pieces(), self.device), start=1):
            listener.progress(job_id, done, len(windows), "tiles")
        return sound


def load_vae(
    files: ModelFiles, settings: Settings, listener: Listener, find: FindComponent = find_component
) -> LoadedVae:
    """The VAE on the device.

    Raises: ModelError when it isn't the 48 kHz stereo autoencoder that ACE-Step's latents are made for.
    """
    device = devices.prepare(settings.device, settings.threads)
    dtype = devices.dtypes(settings.device, settings.dtype).vae
    vae = find(files, "vae").half("decoder").load(dtype=dtype, device=device, listener=listener)
    _keep_only_decoding(vae)
    vae.decoder = DECODERS[devices.vae_kernels(settings.device, dtype)](vae.decoder, dtype)
    tiles = Tiles(length=settings.vae_tile, overlap=settings.vae_overlap)
    return LoadedVae(vae=vae, tiles=tiles, device=device)


def launch_tile(files: ModelFiles, settings: Settings) -> None:
    """Launch a tile's kernels on the meta device, where Triton makes them."""
    dtype = devices.dtypes(settings.device, settings.dtype).vae
    if devices.vae_kernels(settings.device, dtype) != "channels_last":
        return
    from renderer.models.ace_step.vae import channels_last  # noqa: PLC0415 - Triton's

    vae = find_component(files, "vae").module
    _keep_only_decoding(vae)
    channels_last.launch_tile(
        vae.decoder, getattr(torch, dtype), channels_last.choice_of(torch.device(settings.device))
    )


def _changed(change: Callable[[Any], None], decoder: Any, dtype: str) -> Any:
    change(decoder)
    if dtype != devices.VAE_OUTPUT:
        give_float32(decoder)
    return decoder


def _channels_last(decoder: Any, _dtype: str) -> Any:
    from renderer.models.ace_step.vae.channels_last import ChannelsLast, choice_of  # noqa: PLC0415 - Triton's

    return ChannelsLast(decoder, choice_of(decoder.conv1.weight.device))


DECODERS: Mapping[str, Callable[[Any, str], Any]] = {
    "plain": partial(_changed, slim),
    "sliced": lambda decoder, _: Sliced(decoder),
    "fused": partial(_changed, fuse),
    "channels_last": _channels_last,
}
"""By what `device.vae_kernels` says: diffusers' decoder to one that gives float32."""


def _keep_only_decoding(vae: Any) -> None:
    """Drop the encoder."""
    vae.encoder = torch.nn.Identity()
    fold_weight_norm(vae.decoder)
