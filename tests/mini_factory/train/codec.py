"""The codec: the VAE on crops of songs, its latents turned to what is heard, then the tokenizer pair on them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from torch.autograd import Function

from renderer.facts import SAMPLE_RATE, SAMPLES_PER_CODE, SAMPLES_PER_LATENT, VAE_REACH
from renderer.models.ace_step.vae.tiles import Tiles
from tests.mini_factory.train.course import Pace
from tests.mini_factory.train.shards import Encoded, is_held_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.mini_factory.train.course import Course
    from tests.mini_factory.train.songs import SongPool

log = logging.getLogger(__name__)

WINDOWS = (2_048, 512, 128)
MELS = ((4_096, 128), (2_048, 80), (512, 24))
"""(window, bands). Chords lie in a twentieth of the spectrum's bins: the first codec, which was taught mostly on
bins, kept a song's key in a third of the songs."""
MEL_WEIGHT = 2.0
LOG_WEIGHT = 0.5
FLOOR = 4e-4  # of full scale: what lies below -68 dB isn't heard
PHASED = (4_096, 512)
"""Windows whose spectra are compared with their phases: a tone is one only while its phase goes on."""
PHASED_HERTZ = 5_000
PHASED_WEIGHT = 1.0
PHASED_FLOOR = 1e-3
CROP_FRAMES = 32
KL_WEIGHT = 3e-5  # thirty times that kept latents so near noise that no chord came through
LEAST_DEVIATION = 0.1
"""Latents that a DiT makes are never exact: the decoder must bear that."""
FOLDED_AT_ONCE = 16
CPU_TILE = 128
PHRASE_CODES = 8
EXAM_PHRASES = 64
LATENT_WEIGHT = 0.3
HEARD_MELS = (2_048, 512)
"""The windows of `MELS` that codes are judged by."""
HEARD_FLOOR = 2e-3  # of full scale: beats are loud
ENVELOPE_WINDOW, ENVELOPE_HOP, ENVELOPE_BANDS = 1_024, SAMPLE_RATE // 100, 12
RIDGE = 30.0
ENCODER_REACH = 8
"""Latent frames to each side that the encoder hears."""
WAVE_WEIGHT = 4.0
REPORT_EVERY = 100


class Spectra:
    """The losses' windows and mel filters, made once."""

    def __init__(self, device: str) -> None:
        lengths = {*WINDOWS, *PHASED, *(length for length, _ in MELS)}
        self.windows = {length: torch.hann_window(length, device=device) for length in sorted(lengths, reverse=True)}
        self.mels = {length: mel_filters(length, count).to(device) for length, count in MELS}

    def spectrum(self, sound: torch.Tensor, length: int) -> torch.Tensor:
        """STFT of [rows, samples], complex; a sine of full scale has 1."""
        window = self.windows[length]
        made = torch.stft(sound, length, length // 4, window=window, return_complex=True, center=True)
        return made * (4 / length)

    def distance(self, made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Multi-resolution STFT distance of mid and side, log-mel, and phases; [B, 2, samples] each."""
        both = torch.cat([mid_side(made), mid_side(true)])
        bins, bands, phases = both.new_zeros(()), both.new_zeros(()), both.new_zeros(())
        for length in self.windows:
            spectrum = self.spectrum(both, length)
            ours, theirs = magnitude(spectrum).chunk(2)
            if length in WINDOWS:
                bins = bins + torch.linalg.norm(theirs - ours) / (torch.linalg.norm(theirs) + 1e-3)
                bins = bins + LOG_WEIGHT * log_difference(ours, theirs)
            if length in self.mels:
                bands = bands + log_difference(self.mels[length] @ ours, self.mels[length] @ theirs)
            if length in PHASED:
                top = PHASED_HERTZ * length // SAMPLE_RATE
                one, other = spectrum[:, :top].chunk(2)
                usual = theirs[:, :top].mean((0, 2)) + PHASED_FLOOR
                phases = phases + ((one - other).abs().mean((0, 2)) / usual).mean()
        return bins / len(WINDOWS) + MEL_WEIGHT * bands / len(MELS) + PHASED_WEIGHT * phases / len(PHASED)

    def bands(self, sound: torch.Tensor) -> list[torch.Tensor]:
        """Logarithms of the mel bands of [rows, samples] at each resolution."""
        return [self._bands(sound, length) for length in self.mels]

    def _bands(self, sound: torch.Tensor, length: int) -> torch.Tensor:
        return torch.log(self.mels[length] @ magnitude(self.spectrum(sound, length)) + HEARD_FLOOR)

    def mel_distance(self, made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        """Log-mel distance alone, of what codes can keep: no phases, no single bins."""
        both = torch.cat([mid_side(made), mid_side(true)])
        heard = both.new_zeros(())
        for length in HEARD_MELS:
            ours, theirs = self._bands(both, length).chunk(2)
            heard = heard + (ours - theirs).abs().mean()
        return heard / len(HEARD_MELS)


def magnitude(spectrum: torch.Tensor) -> torch.Tensor:
    """Its modulus, with a gradient at zero too."""
    return torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)


def log_difference(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean difference of two magnitudes' logarithms."""
    difference: torch.Tensor = (torch.log(one + FLOOR) - torch.log(other + FLOOR)).abs().mean()
    return difference


def mid_side(sound: torch.Tensor) -> torch.Tensor:
    """[B, 2, samples] to [2B, samples]."""
    left, right = sound.unbind(1)
    both: torch.Tensor = torch.cat([left + right, left - right]) * 0.5**0.5
    return both


def mel_filters(length: int, count: int) -> torch.Tensor:
    """Triangles on the mel scale, [count, bins], each of sum 1."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, count + 2) / 2595) - 1)
    at = np.linspace(0, SAMPLE_RATE / 2, length // 2 + 1)
    rise = (at[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - at[None]) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(rise, fall))
    return torch.from_numpy((filters / filters.sum(axis=1, keepdims=True)).astype(np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class VaeLessons:
    """What encoder and decoder are taught with."""

    encoder: Any
    decoder: Any
    spectra: Spectra
    autocast: bool
    """Compute in bfloat16 but for the losses and the convolution that makes the sound: half the memory's traffic."""

    def loss(self, sound: torch.Tensor) -> torch.Tensor:
        """Spectral distance, waveform L1 and a little KL of crops [B, 2, samples]."""
        with torch.autocast(sound.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            mean, raw = self.encoder(sound).float().chunk(2, dim=1)
            deviation = F.softplus(raw) + LEAST_DEVIATION
            made = self.decoder(mean + deviation * torch.randn_like(mean)).float()
        kl = (mean**2 + deviation**2 - 2 * torch.log(deviation) - 1).sum(1).mean()
        wave = (made - sound).abs().mean()
        loss: torch.Tensor = self.spectra.distance(made, sound) + WAVE_WEIGHT * wave + KL_WEIGHT * kl
        return loss

    def exam(self, sound: torch.Tensor) -> torch.Tensor:
        """Spectral distance alone, from the latents' means."""
        made = self.decoder(self.encoder(sound).chunk(2, dim=1)[0])
        return self.spectra.distance(made, sound)


def sing_in_float32(decoder: Any) -> None:
    """Keep autocast away from the decoder's last convolution: bfloat16's eight bits would be heard as noise."""
    plain = decoder.conv2.forward

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            made: torch.Tensor = plain(hidden.float())
        return made

    decoder.conv2.forward = forward


def train_vae(course: Course, lessons: VaeLessons, pool: SongPool, *, batch: int) -> None:
    """Teach encoder and decoder in place."""
    exam_sound = pool.exam_crops(batch, CROP_FRAMES)
    course.run("vae", lambda: (pool.crops(batch, CROP_FRAMES),), lambda: lessons.exam(exam_sound), every=REPORT_EVERY)


def fold(encoder: Any, decoder: Any, spectra: Spectra, pool: SongPool, *, num_crops: int) -> None:
    """Turn the latents so that a step of any channel is heard alike; into the last encoder, the first decoder layer.

    The first channels then vary most and say most, the last ones hardly matter: what learns latents by squared error
    learns what is heard. Their mean is 0, their mean variance 1: the pipeline has no latent scaling and the DiT starts
    from unit noise. Left as they came, full of phases and all alike, latents taught a small DiT nothing of its codes.
    """
    at_once = min(num_crops, FOLDED_AT_ONCE)
    sounds = [pool.crops(at_once, CROP_FRAMES) for _ in range(-(-num_crops // at_once))]
    with torch.no_grad():
        told = [encoder(sound).chunk(2, dim=1)[0] for sound in sounds]
    frames = torch.cat(told).transpose(1, 2).flatten(0, 1)
    centre, spread = frames.mean(0), torch.cov(frames.T)
    heard = sum(_sensitivity(decoder, told, spread, features) for features in (spectra.bands, onsets))
    values, directions = torch.linalg.eigh(heard)
    turned = values.clamp(min=1e-3 * values.mean()).sqrt()[:, None] * directions.T
    variances, axes = torch.linalg.eigh(turned @ spread @ turned.T)
    turn = (axes.T @ turned).flip(0) / variances.mean().sqrt()
    log.info("latents: deviations %s", (variances.flip(0) / variances.mean()).sqrt()[:: max(1, len(centre) // 8)])
    fold_in(encoder, decoder, turn, centre)


def _sensitivity(
    decoder: Any,
    latents: list[torch.Tensor],
    spread: torch.Tensor,
    features: Callable[[torch.Tensor], list[torch.Tensor]],
) -> torch.Tensor:
    """How strongly these features of the sound answer to each pair of channels, [channels, channels]; 1 in all.

    Derivatives along random directions, squared, have the sum of all squared derivatives as their mean.
    """
    total = torch.zeros_like(spread)
    for means in latents:
        given = means.detach().clone().requires_grad_()
        heard = features(mid_side(decoder(given)))
        answer = sum((one * torch.randn_like(one)).sum() / one[0].numel() ** 0.5 for one in heard)
        (gradient,) = torch.autograd.grad(answer, given)
        rows = gradient[:, :, VAE_REACH:-VAE_REACH].transpose(1, 2).flatten(0, 1)
        total += rows.T @ rows
    return total / (total @ spread).trace()


def onsets(sound: torch.Tensor) -> list[torch.Tensor]:
    """What starts when: rises of the mel bands of [rows, samples] from 10 ms to 10 ms."""
    return [levels(sound, 2 * ENVELOPE_BANDS).diff(dim=-1).clamp(min=0)]


def levels(sound: torch.Tensor, num_bands: int) -> torch.Tensor:
    """Logarithms of the mel bands of [rows, samples] every 10 ms, [rows, bands, points]."""
    window = torch.hann_window(ENVELOPE_WINDOW, device=sound.device)
    spectrum = torch.stft(sound, ENVELOPE_WINDOW, ENVELOPE_HOP, window=window, return_complex=True, center=True)
    filters = mel_filters(ENVELOPE_WINDOW, num_bands).to(sound.device)
    return torch.log(filters @ magnitude(spectrum * (4 / ENVELOPE_WINDOW)) + HEARD_FLOOR)


@torch.no_grad()
def fold_in(encoder: Any, decoder: Any, turn: torch.Tensor, centre: torch.Tensor) -> None:
    """The encoder's latents z become `turn` · (z - centre), which the decoder undoes but for the sound's very ends."""
    weight, bias, count = plain_weight(encoder.conv2), encoder.conv2.bias, len(centre)
    weight[:count] = torch.einsum("ij,jck->ick", turn, weight[:count])
    bias[:count] = turn @ (bias[:count] - centre)
    set_weight(encoder.conv2, weight)
    weight = plain_weight(decoder.conv1)
    decoder.conv1.bias += (weight * centre[None, :, None]).sum((1, 2))
    set_weight(decoder.conv1, torch.einsum("oik,ij->ojk", weight, torch.linalg.inv(turn)))


def plain_weight(convolution: Any) -> torch.Tensor:
    """What a weight-normed convolution multiplies with."""
    direction = convolution.weight_v
    weight: torch.Tensor = convolution.weight_g * direction / direction.norm(dim=(1, 2), keepdim=True)
    return weight.clone()


def set_weight(convolution: Any, weight: torch.Tensor) -> None:
    """The inverse of `plain_weight`."""
    convolution.weight_v.copy_(weight)
    convolution.weight_g.copy_(weight.norm(dim=(1, 2), keepdim=True))


@torch.no_grad()
def encode_song(encoder: Any, sound: torch.Tensor) -> torch.Tensor:
    """Latents of a song [2, samples], float16 [frames, channels]; on a CPU in tiles that its cache holds."""
    on_gpu = sound.device.type != "cpu"
    tiles = Tiles(length=sound.shape[1] if on_gpu else CPU_TILE, overlap=ENCODER_REACH)
    pieces = []
    for start, end, first, last in tiles.windows(sound.shape[1] // SAMPLES_PER_LATENT):
        heard = sound[None, :, start * SAMPLES_PER_LATENT : end * SAMPLES_PER_LATENT]
        with torch.autocast(sound.device.type, torch.bfloat16, enabled=on_gpu):
            means = encoder(heard).chunk(2, dim=1)[0]
        pieces.append(means[0, :, first - start : last - start])
    return torch.cat(pieces, dim=1).T.half()


def encoded(tokenizer: Any, seed: int, latents: torch.Tensor) -> Encoded:
    """A song's latents [frames, channels] as the other models see it."""
    codes = tokenise_song(tokenizer, latents)
    return Encoded(seed=seed, latents=latents[: 5 * len(codes)].cpu().numpy(), codes=codes.cpu().numpy())


@torch.no_grad()
def silence(encoder: Any, num_frames: int) -> torch.Tensor:
    """The encoding of silence, [1, num_frames, channels]: 10 s encoded, its steady middle carried on."""
    device = next(encoder.parameters()).device
    quiet = torch.zeros(1, 2, 250 * SAMPLES_PER_LATENT, device=device)
    means = encoder(quiet).chunk(2, dim=1)[0].transpose(1, 2)
    steady: torch.Tensor = means[:, 125:126].expand(-1, num_frames, -1).clone()
    steady[:, :125] = means[:, :125]
    return steady


def quantise(tokenizer: Any, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The tokenizer's forward with gradients through the rounding, which the class itself doesn't have.

    `frames` is [B, codes, 5, channels]; gives what goes to the detokenizer and the codes.
    """
    quantizer = tokenizer.quantizer
    hidden = tokenizer.attention_pooler(tokenizer.audio_acoustic_proj(frames))
    hidden = F.linear(hidden.float(), quantizer.project_in.weight.float(), quantizer.project_in.bias.float())
    levels = quantizer._levels.to(hidden)
    soft_clamp = 1.0 + 1.0 / (levels - 1.0)
    hidden = (hidden / soft_clamp).tanh() * soft_clamp
    rounded = quantizer._quantize(hidden)
    through = hidden + (rounded - hidden).detach()
    out = F.linear(through, quantizer.project_out.weight.float(), quantizer.project_out.bias.float())
    return out, quantizer._codes_to_indices(rounded)


def envelopes(sound: torch.Tensor) -> torch.Tensor:
    """Logarithms of a sound's [2, samples] mel bands every 10 ms, as one row a code: [codes, 20 · bands]."""
    mid = mid_side(sound[None])[:1]
    points = SAMPLES_PER_CODE // ENVELOPE_HOP
    num_codes = sound.shape[1] // SAMPLES_PER_CODE
    return levels(mid, ENVELOPE_BANDS)[0].T[: points * num_codes].reshape(num_codes, points * ENVELOPE_BANDS)


@torch.no_grad()
def fit_ear(songs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """The linear map from a code's latents to its sound's envelopes: [5 · channels, features], each of unit spread.

    In: (latents [frames, channels], sound [2, samples]) of songs. It explains nine tenths of the envelopes.
    """
    latents, heard = [], []
    for frames, sound in songs:
        loudness = envelopes(sound)
        num_codes = min(len(loudness), len(frames) // 5)
        latents.append(frames[: 5 * num_codes].reshape(num_codes, -1).float())
        heard.append(loudness[:num_codes])
    given, wanted = torch.cat(latents), torch.cat(heard)
    given, wanted = given - given.mean(0), wanted - wanted.mean(0)
    spread = wanted.reshape(len(wanted), -1, ENVELOPE_BANDS).std((0, 1)).repeat(wanted.shape[1] // ENVELOPE_BANDS)
    ridge = RIDGE * torch.eye(given.shape[1], device=given.device)
    wanted = wanted / (spread + 1e-3)
    ear: torch.Tensor = torch.linalg.solve(given.T @ given + ridge, given.T @ wanted)
    unheard = (wanted - given @ ear).pow(2).mean().item()
    log.info("ear: %.3f of the envelopes isn't linear in latents", unheard)
    return ear


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLessons:
    """What tokenizer and detokenizer are taught with: latents through 1,000 codes at 5 Hz and back.

    Ten bits can't hold five frames. By latents' error alone they held the tones and lost the beat of four songs in
    five, so what counts first is how loud which band is when.
    """

    tokenizer: Any
    detokenizer: Any
    ear: torch.Tensor
    """As `fit_ear` gives it."""
    autocast: bool

    def loss(self, frames: torch.Tensor) -> torch.Tensor:
        """Squared error of the envelopes of latents [B, codes, 5, channels], and a little of their own."""
        return self.error(self.played(frames), frames)

    def played(self, frames: torch.Tensor) -> torch.Tensor:
        """The latents that the codes of these stand for, [B, frames, channels]."""
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            made: torch.Tensor = self.detokenizer(quantise(self.tokenizer, frames)[0])
        return made.float()

    def error(self, made: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        """The loss of what was played in place of `frames`."""
        wrong = (made - frames.flatten(1, 2)).reshape(-1, len(self.ear))
        loss: torch.Tensor = (wrong @ self.ear).pow(2).mean() + LATENT_WEIGHT * wrong.pow(2).mean()
        return loss


@dataclass(frozen=True, slots=True, kw_only=True)
class EarLessons:
    """The pair's second lessons: the same, and what the decoder makes heard of it."""

    pair: PairLessons
    decoder: Any
    spectra: Spectra

    def loss(self, frames: torch.Tensor) -> torch.Tensor:
        """The first lessons' loss and the log-mel distance of the sounds of latents [B, codes, 5, channels]."""
        made = self.pair.played(frames)
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=self.pair.autocast, cache_enabled=False):
            sound = self.decoder(made.transpose(1, 2)).float()
            with torch.no_grad():
                aim = self.decoder(frames.flatten(1, 2).transpose(1, 2)).float()
        return self.spectra.mel_distance(sound, aim) + self.pair.error(made, frames)


def train_pair(
    course: Course, lesson: Callable[[torch.Tensor], torch.Tensor], songs: dict[int, torch.Tensor], *, batch: int
) -> None:
    """Teach the pair in place on phrases of these songs' latents by seed."""
    taught = phrases([song for seed, song in songs.items() if not is_held_out(seed)])
    held_out = phrases([song for seed, song in songs.items() if is_held_out(seed)] or list(songs.values())[:1])

    def draw() -> tuple[torch.Tensor]:
        return (taught[torch.randint(len(taught), (batch,), device=taught.device)],)

    course.run("pair", draw, lambda: lesson(held_out[:EXAM_PHRASES]), every=REPORT_EVERY)


def phrases(songs: list[torch.Tensor]) -> torch.Tensor:
    """Latents of songs as float32 [phrases, codes, 5, channels]; what is left at a song's end is dropped."""
    frames = 5 * PHRASE_CODES
    whole = [song[: len(song) // frames * frames].reshape(-1, PHRASE_CODES, 5, song.shape[1]) for song in songs]
    return torch.cat(whole).float()


VAE_PACE = Pace(peak=1e-3, betas=(0.8, 0.99), decay=1e-3, keep=0.998)
PAIR_PACE = Pace(peak=1.5e-3, betas=(0.9, 0.98), decay=1e-2, keep=0.998)
EAR_PACE = Pace(peak=5e-4, betas=(0.9, 0.98), decay=1e-2, keep=0.995)


@torch.no_grad()
def tokenise_song(tokenizer: Any, latents: torch.Tensor) -> torch.Tensor:
    """Codes of a song's latents, int16 [codes]; a last partial code is dropped."""
    whole = latents[: len(latents) // 5 * 5].float()
    return tokenizer.tokenize(whole[None])[1][0, :, 0].to(torch.int16)  # type: ignore[no-any-return]


class _Snake(Function):
    """x + sin²(αx)/β keeping only x for the way back: a third of the memory of the composed form."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, alpha, beta)
        return (_compiled(_snake_forward) if x.is_cuda else _snake_forward)(x, alpha, beta)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, alpha, beta = ctx.saved_tensors
        return (_compiled(_snake_backward) if x.is_cuda else _snake_backward)(x, alpha, beta, grads[0])


@cache
def _compiled(function: Any) -> Any:
    return torch.compile(function, dynamic=True)


def _snake_forward(x: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    return (x + torch.exp(-beta) * torch.sin(torch.exp(alpha) * x) ** 2).to(x.dtype)


def _snake_backward(
    x: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor, grad: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    scale, over = torch.exp(alpha), torch.exp(-beta)
    double = torch.sin(2 * scale * x)
    to_x = (grad * (1 + scale * over * double)).to(x.dtype)
    to_alpha = (grad * x * double).sum((0, 2), keepdim=True) * scale * over
    to_beta = -(grad * torch.sin(scale * x) ** 2).sum((0, 2), keepdim=True) * over
    return to_x, to_alpha, to_beta


def quicken_snakes(*modules: Any) -> None:
    """Give every Snake of these modules the fused form, compiled where there is a GPU."""
    from diffusers.models.autoencoders.autoencoder_oobleck import Snake1d

    for module in modules:
        for part in module.modules():
            if isinstance(part, Snake1d):
                part.forward = partial(_snake, part)


def quicken_convolutions(*modules: Any) -> None:
    """Give every convolution of these modules the layout that tensor cores read: channels beside each other."""
    for module in modules:
        for part in module.modules():
            if isinstance(part, torch.nn.ConvTranspose1d):
                vars(part)["forward"] = partial(
                    _flat, part, F.conv_transpose2d, output_padding=(0, *part.output_padding)
                )
            elif isinstance(part, torch.nn.Conv1d):
                vars(part)["forward"] = partial(_flat, part, F.conv2d)


def _flat(part: Any, operation: Any, x: torch.Tensor, **more: tuple[int, ...]) -> torch.Tensor:
    """A convolution over time as one over a picture a single pixel high."""
    made: torch.Tensor = operation(
        x.unsqueeze(2),
        part.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last),
        part.bias,
        stride=(1, *part.stride),
        padding=(0, *part.padding),
        dilation=(1, *part.dilation),
        **more,
    )
    return made.squeeze(2)


def _snake(part: Any, x: torch.Tensor) -> Any:
    return _Snake.apply(x, part.alpha, part.beta)  # type: ignore[no-untyped-call]
