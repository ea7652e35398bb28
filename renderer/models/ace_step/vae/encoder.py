"""The VAE's encoder: files to latents, in float32, piece by piece, what is drawn from the job's own seed.

In float32 on every device: in bfloat16 half of a cover's codes would be others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn.functional import pad, softplus

from renderer.artifacts import EncodedSound
from renderer.facts import SAMPLE_RATE, SAMPLES_PER_LATENT
from renderer.models import device as devices
from renderer.models.ace_step.checkpoints.components import find_component
from renderer.models.ace_step.checkpoints.on_disk import ENCODER_APART, encoder_component
from renderer.models.ace_step.jobs import Abandoned, run_alone
from renderer.models.ace_step.needs import ENCODER_SECONDS
from renderer.models.ace_step.vae.read_file import read_file
from renderer.models.ace_step.vae.weight_norm import fold_weight_norm
from renderer.provenance import EncoderNotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from renderer.models.ace_step.protocol.requests import ReferenceRequest, SourceRequest
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Done, Failed, Listener, StageJob

# Source: ace-step/ACE-Step-1.5, acestep/core/generation/handler/vae_encode.py
CHUNK = ENCODER_SECONDS * SAMPLE_RATE
OVERLAP = 2 * SAMPLE_RATE
LEAST_DEVIATION = 1e-4
# Source: the same, io_audio.py
PIECE = 10 * SAMPLE_RATE
NUM_PIECES = 3


@dataclass(slots=True)
class LoadedEncoder:
    """The VAE's encoder, resident."""

    encoder: Any
    """[B, 2, samples] to [B, 2 · channels, frames], means before scales."""
    device: torch.device

    def source(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """What edits start from."""
        yield from self._each(jobs, listener, self._source)

    def reference(self, jobs: Sequence[StageJob], listener: Listener) -> Iterator[Done | Failed]:
        """What timbres are taken from."""
        yield from self._each(jobs, listener, self._reference)

    def close(self) -> None:
        """Drop the weights and free the device's memory."""
        del self.encoder
        devices.release(self.device)

    def _each(
        self, jobs: Sequence[StageJob], listener: Listener, work: Callable[[StageJob, Listener], EncodedSound]
    ) -> Iterator[Done | Failed]:
        for job in jobs:
            yield from run_alone(job, partial(work, job, listener))

    def _source(self, job: StageJob, listener: Listener) -> EncodedSound:
        began, request = time.perf_counter(), cast("SourceRequest", job.request)
        samples = pad(read_file(request.file), (request.before, request.after))
        frames = self._encode(samples, _generator(request.file.seed), job.id, listener)
        return _encoded(frames, EncoderNotes(seconds=time.perf_counter() - began, seed=request.file.seed))

    def _reference(self, job: StageJob, listener: Listener) -> EncodedSound:
        began, request = time.perf_counter(), cast("ReferenceRequest", job.request)
        generator = _generator(request.file.seed)
        samples, offsets = pieces(read_file(request.file), generator)
        frames = self._encode(samples, generator, job.id, listener)
        notes = EncoderNotes(seconds=time.perf_counter() - began, seed=request.file.seed, offsets=offsets)
        return _encoded(frames, notes)

    @torch.no_grad()
    def _encode(self, samples: Tensor, generator: torch.Generator, job_id: str, listener: Listener) -> Tensor:
        """float32 [2, samples] to float32 [frames, channels] on the CPU, drawn from what the encoder gives."""
        found, windows = [], chunks(samples.shape[1])
        for done, (start, end, kept_start, kept_end) in enumerate(windows, start=1):
            if listener.cancelled(job_id):
                raise Abandoned
            encoded = self.encoder(devices.to_device(samples[:, start:end].contiguous(), self.device)[None])[0]
            last = encoded.shape[1] - round((end - kept_end) / SAMPLES_PER_LATENT)
            found.append(encoded[:, round((kept_start - start) / SAMPLES_PER_LATENT) : last].cpu())
            listener.progress(job_id, done, len(windows), "tiles")
        mean, scale = torch.cat(found, dim=1).T.chunk(2, dim=1)
        # Drawn for the whole on the CPU: the same numbers whatever the device, and however it is cut.
        noise = torch.randn(mean.shape, generator=generator, dtype=torch.float32)
        return mean + (softplus(scale) + LEAST_DEVIATION) * noise


def chunks(num_samples: int) -> list[tuple[int, int, int, int]]:
    """Start and end of what is encoded at once, and of what is kept of it, in samples."""
    if num_samples <= CHUNK:
        return [(0, num_samples, 0, num_samples)]
    stride = CHUNK - 2 * OVERLAP
    return [
        (
            max(0, start - OVERLAP),
            min(num_samples, start + stride + OVERLAP),
            start,
            min(num_samples, start + stride),
        )
        for start in range(0, num_samples, stride)
    ]


def pieces(samples: Tensor, generator: torch.Generator) -> tuple[Tensor, tuple[int, ...]]:
    """A reference's 30 seconds: one piece of each third, and where they begin. Shorter sounds are repeated first."""
    repeats = -(-NUM_PIECES * PIECE // samples.shape[1])
    samples = samples.repeat(1, repeats) if repeats > 1 else samples
    total = samples.shape[1]
    third = total // NUM_PIECES
    lengths = (third, third, total - 2 * third)
    offsets = tuple(
        number * third + int(torch.randint(max(0, length - PIECE) + 1, (1,), generator=generator))
        for number, length in enumerate(lengths)
    )
    return torch.cat([samples[:, start : start + PIECE] for start in offsets], dim=1), offsets


def load_encoder(files: ModelFiles, settings: Settings, listener: Listener) -> LoadedEncoder:
    """The VAE's encoder on the device.

    Raises: ModelError when it isn't the 48 kHz stereo autoencoder that ACE-Step's latents are made for.
    """
    device = devices.prepare(settings.device, settings.threads)
    name = encoder_component(files)
    found, apart = find_component(files, name), name == ENCODER_APART
    loaded = (found if apart else found.half("encoder")).load(dtype="float32", device=device, listener=listener)
    encoder = loaded if apart else loaded.encoder
    fold_weight_norm(encoder)
    return LoadedEncoder(encoder=encoder, device=device)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)


def _encoded(frames: Tensor, notes: EncoderNotes) -> EncodedSound:
    return EncodedSound(frames=frames.contiguous().numpy(), notes=notes)
