"""The VAE stage: latents to sound, tile by tile, checked before it is made loud."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from renderer.artifacts import Waveform
from renderer.errors import StageError
from renderer.facts import SAMPLE_RATE, SAMPLES_PER_LATENT, VAE_REACH
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.jobs import Abandoned, is_out_of_memory, run_alone
from renderer.models.ace_step.stages import Stage
from renderer.models.ace_step.vae.fused import fuse, slim
from renderer.models.kernels.prefetch import reached
from renderer.provenance import VaeNotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from renderer.artifacts import Latents
    from renderer.models.ace_step.protocol.requests import WaveformRequest
    from renderer.models.family import Done, Failed, Listener, ModelFiles, Settings, StageJob

SMALLEST_TILE = 32
PEAK = 10.0 ** (-1.0 / 20.0)  # -1 dBFS, as upstream saves
PEAK_FLOOR = 1e-6
ABSURD_PEAK = 1000.0  # times full scale; decoded music stays below 10
CONSTANT_SHARE = 1e-4  # of the peak
MISSING_SECONDS = 1.0  # a song may end this much, and by this share, before what was asked
WHOLE_SHARE = 0.95
# A peak, and so an RMS, at or below this is no music. Source: ace-step/ACE-Step-1.5, acestep/audio_utils.py
SILENCE = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Latent frames that are decoded at once, of which `overlap` on each side only give context."""

    length: int
    overlap: int

    def windows(self, num_frames: int) -> list[tuple[int, int, int, int]]:
        """Window start and end, and the start and end of what is kept of it, in latent frames.

        Source: huggingface/diffusers, src/diffusers/models/autoencoders/autoencoder_oobleck.py
        """
        if num_frames <= self.length:
            return [(0, num_frames, 0, num_frames)]
        stride = self.length - 2 * self.overlap
        starts = range(0, num_frames, stride)
        return [
            (
                max(0, start - self.overlap),
                min(num_frames, start + stride + self.overlap),
                start,
                min(num_frames, start + stride),
            )
            for start in starts
        ]


@dataclass(slots=True)
class LoadedVae:
    """The VAE's decoder, resident."""

    vae: Any
    tiles: Tiles
    device: torch.device

    def run(self, stage: str, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:  # noqa: ARG002 - the seam's; this part has one stage
        """A waveform a job; one job at a time."""
        for job in jobs:
            yield from run_alone(job, partial(self._waveform, job, listener))

    def close(self) -> None:
        """Drop the weights and free the device's memory."""
        del self.vae
        devices.release(self.device)

    def _waveform(self, job: StageJob, listener: Listener) -> Waveform:
        request = cast("WaveformRequest", job.request)
        latents = cast("Latents", job.upstream[Stage.LATENTS])
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
        channels_first = devices.sent(frames, self.device).T[None].to(self.vae.dtype)
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
        for done, _ in enumerate(reached(pieces(), self.device), start=1):
            listener.progress(job_id, done, len(windows), "tiles")
        return sound


def load_vae(files: ModelFiles, settings: Settings, listener: Listener) -> LoadedVae:
    """The VAE on the device.

    Raises: ModelError when it isn't the 48 kHz stereo autoencoder that ACE-Step's latents are made for.
    """
    device = devices.prepare(settings.device, settings.threads)
    dtype = devices.dtypes(settings.device, settings.dtype).vae
    vae = find_component(files, "vae").load(dtype=dtype, device=device, listener=listener)
    _keep_only_decoding(vae)
    DECODERS[devices.vae_kernels(settings.device)](vae.decoder)
    tiles = Tiles(length=settings.vae_tile, overlap=settings.vae_overlap)
    return LoadedVae(vae=vae, tiles=tiles, device=device)


DECODERS: Mapping[str, Callable[[Any], None]] = {"plain": slim, "fused": fuse}


@torch.no_grad()
def _keep_only_decoding(vae: Any) -> None:
    """Drop the encoder, and compute each convolution's normalised weight once: the same bits, not at every tile."""
    vae.encoder = torch.nn.Identity()
    for module in list(vae.decoder.modules()):
        if hasattr(module, "weight_g"):
            with warnings.catch_warnings():
                # torch's new spelling has other names, which the files don't.
                warnings.filterwarnings("ignore", category=FutureWarning)
                torch.nn.utils.remove_weight_norm(module)


def checked_latents(latents: Latents) -> Tensor:
    """The frames as a tensor.

    Raises: StageError for NaN, infinity or nothing but zeros, which would decode to noise or a drone.
    """
    # By numpy: torch's threads, woken for so little, take longer than a tile.
    if not np.isfinite(latents.frames).all():
        raise StageError(
            "the latents hold NaN or infinity",
            why="the DiT's numbers overflowed, which float16 is known for",
            help="render with --dtype float32, or leave --dtype out",
        )
    if not latents.frames.any():
        raise StageError("the latents are all zero", why="the DiT gave nothing", help="try another seed")
    return torch.from_numpy(latents.frames)


def checked_peak(samples: Tensor, asked_seconds: float | None) -> float:
    """The largest magnitude of what can be a song: float32 [2, samples] as decoded.

    Raises: StageError for NaN, infinity, silence, much less than the asked length, a level no decoder of music gives,
    or a constant: scaled to full level it would be noise.
    """
    low, high = samples.aminmax(dim=1)
    mean = samples.mean(dim=1)
    # One copy to the host, for which the device has to be waited for.
    peak: float
    moving: float
    peak, moving = torch.stack(
        [torch.maximum(high, -low).amax(), torch.maximum(high - mean, mean - low).amax()]
    ).tolist()
    _refuse_no_sound(peak)
    _refuse_missing(samples.shape[1] / SAMPLE_RATE, asked_seconds)
    _refuse_absurd(peak, moving)
    return peak


def _refuse_no_sound(peak: float) -> None:
    # Of minimum and maximum, either is NaN when any sample is.
    if not math.isfinite(peak):
        raise StageError(
            "the VAE's sound holds NaN or infinity",
            why="its numbers overflowed in this dtype",
            help="render with --dtype float32, or leave --dtype out",
        )
    if peak <= SILENCE:
        raise StageError("the take is silent", why=f"its peak is {peak:.1e}", help="try another seed or caption")


def _refuse_missing(seconds: float, asked_seconds: float | None) -> None:
    if asked_seconds is not None and seconds < min(asked_seconds - MISSING_SECONDS, asked_seconds * WHOLE_SHARE):
        raise StageError(
            f"the take ends after {seconds:.1f} s of {asked_seconds:g} s",
            why="that is where the LM ended its codes",
            help="try another seed, or leave `use_constrained_decoding` on",
        )


def _refuse_absurd(peak: float, moving: float) -> None:
    if peak > ABSURD_PEAK:
        raise StageError(
            f"the take's level is absurd: {peak:.0f} times full scale",
            why="the DiT's latents left the range that the VAE knows",
            help="try another seed, or a lower `guidance_scale`",
        )
    if moving <= peak * CONSTANT_SHARE:
        raise StageError("the take is a constant", why="nothing in it moves", help="try another seed or caption")


def scale_to_peak(samples: Tensor, peak: float) -> Tensor:
    """The samples, whose largest magnitude is `peak`, with it at -1 dBFS; in place, in the same bits on any device.

    Source: huggingface/diffusers, src/diffusers/pipelines/ace_step/pipeline_ace_step.py
    """
    if peak > 1.0:
        # By a tensor of its own device: CUDA multiplies by the reciprocal of a number from the host.
        samples.div_(torch.tensor(peak, device=samples.device))
        peak = 1.0
    return samples.mul_(PEAK / torch.tensor(peak).clamp(min=PEAK_FLOOR))
