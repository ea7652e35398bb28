"""The DiT with its text and condition encoders, jointly: flow matching on latents, conditions as in rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from diffusers.models.transformers.ace_step_transformer import _ace_step_rotary_freqs, _create_4d_mask

from renderer.models.ace_step.dit.conditions import TIMBRE_FRAMES
from tests.mini_factory.train.course import Pace
from tests.mini_factory.train.lm import CAUSAL
from tests.mini_factory.train.tellings import LYRIC_WIDTH, TEXT_WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mini_factory.train.course import Course
    from tests.mini_factory.train.shards import ShardReader
    from tests.mini_factory.train.tellings import Told

SHIFT = 3.0
SILENT_SHARE = 0.15
"""How often there are no codes: the hint is silence and the instruction text2music's."""
OFFSET_SHARE = 0.3
"""How often a stretch starts inside the song."""
CORRUPT_SHARE = 0.02
"""Codes replaced at random, as an LM errs."""
LENGTHS = (300, 600, 1_200)
"""Latent frames of a batch's stretches: a few, as each is recorded on its own."""
EXAM_FRAMES = 600
EXAM_ROWS = 64
REPORT_EVERY = 200
LOOK_EVERY = 50
"""Rounds between two looks for new songs."""
PACE = Pace(peak=1.2e-3, betas=(0.9, 0.97), decay=1e-2, keep=0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Players:
    """Everything between texts and latents, on one device."""

    text_encoder: Any
    condition_encoder: Any
    audio_tokenizer: Any
    detokenizer: Any
    dit: Any

    @property
    def taught(self) -> list[Any]:
        """What is trained here; the tokenizer pair is frozen."""
        return [self.text_encoder, self.condition_encoder, self.dit]


class Shelf:
    """Songs on the device: latents, hints and token ids of several tellings, growing while it is used."""

    def __init__(self, players: Players, *, room_frames: int, channels: int, together: int = 1) -> None:
        self.players = players
        self.together = together
        """Only so many songs at once find room, or none of them."""
        device = players.dit.device
        self.latents = torch.zeros(room_frames, channels, dtype=torch.float16, device=device)
        self.hints = torch.zeros_like(self.latents)
        """The codes through the detokenizer, a few of them wrong, as an LM errs."""
        self.used = 0
        self.spans = torch.zeros(0, 2, dtype=torch.long, device=device)
        """First frame and number of frames by song."""
        self.texts = torch.zeros(0, 0, TEXT_WIDTH, dtype=torch.int16, device=device)
        """[songs, tellings, tokens], -1 behind the end; the first telling is the one for songs without codes."""
        self.lyrics = torch.zeros(0, LYRIC_WIDTH, dtype=torch.int16, device=device)
        self.fitting: dict[int, torch.Tensor] = {}
        """Songs at least so long, by length."""

    def add(self, told: Told) -> None:
        """Songs with their texts, as many as there is room for."""
        device = self.latents.device
        lengths = 5 * torch.tensor(told.lengths)
        ends = self.used + lengths.cumsum(0)
        count = int((ends <= len(self.latents)).sum()) // self.together * self.together
        if not count:
            return
        start, end = self.used, int(ends[count - 1])
        codes = torch.from_numpy(told.codes[: (end - start) // 5]).to(device).long()
        self.latents[start:end] = torch.from_numpy(told.latents[: end - start]).to(device)
        self.hints[start:end] = hint(self.players, codes).to(self.hints.dtype)
        spans = torch.stack([ends - lengths, lengths], dim=1)[:count].to(device)
        texts = torch.from_numpy(told.texts[:count]).to(device)
        self.spans = torch.cat([self.spans, spans])
        self.texts = torch.cat([self.texts, texts]) if len(self.texts) else texts
        self.lyrics = torch.cat([self.lyrics, torch.from_numpy(told.lyrics[:count]).to(device)])
        self.used = end
        self.fitting = {length: (self.spans[:, 1] >= length).nonzero()[:, 0] for length in LENGTHS}

    def stretches(self, num_frames: int, rows: int) -> tuple[torch.Tensor, ...]:
        """Equal stretches of songs at least so long, as `FlowLessons.loss` takes them."""
        device = self.latents.device
        fit = self.fitting[num_frames]
        songs = fit[torch.randint(len(fit), (rows,), device=device)]
        silent = torch.rand(rows, device=device) < SILENT_SHARE
        inside = (torch.rand(rows, device=device) < OFFSET_SHARE) & ~silent
        first, length = self.spans[songs].unbind(1)
        room = (length - num_frames) // 5 + 1
        offset = 5 * (torch.rand(rows, device=device) * room).long() * inside
        return self.gather(first + offset, songs, silent, num_frames)

    def gather(
        self, starts: torch.Tensor, songs: torch.Tensor, silent: torch.Tensor, num_frames: int
    ) -> tuple[torch.Tensor, ...]:
        """Latents, hints, whether silent, text ids and lyric ids of these songs."""
        at = starts[:, None] + torch.arange(num_frames, device=starts.device)
        telling = torch.randint(1, self.texts.shape[1], songs.shape, device=songs.device)
        telling = torch.where(silent, torch.zeros_like(telling), telling)
        return (
            self.latents[at].float(),
            self.hints[at].float(),
            silent,
            self.texts[songs, telling].long(),
            self.lyrics[songs].long(),
        )

    def exam(self) -> tuple[torch.Tensor, ...]:
        """The beginnings of the longest songs here, with their codes."""
        order = self.spans[:, 1].argsort(descending=True)[:EXAM_ROWS]
        num_frames = min(EXAM_FRAMES, int(self.spans[order[-1], 1]))
        return self.gather(self.spans[order, 0], order, torch.zeros_like(order, dtype=torch.bool), num_frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLessons:
    """What the players are taught with."""

    players: Players
    autocast: bool

    def loss(
        self,
        latents: torch.Tensor,
        hints: torch.Tensor,
        silent: torch.Tensor,
        text: torch.Tensor,
        lyrics: torch.Tensor,
    ) -> torch.Tensor:
        """Mean squared error of the velocity at times of the shift-3 schedule."""
        uniform = torch.rand(len(latents), device=latents.device)
        return self.at(
            SHIFT * uniform / (1 + (SHIFT - 1) * uniform),
            torch.randn_like(latents),
            latents,
            hints,
            silent,
            text,
            lyrics,
        )

    def at(
        self,
        time: torch.Tensor,
        noise: torch.Tensor,
        latents: torch.Tensor,
        hints: torch.Tensor,
        silent: torch.Tensor,
        text: torch.Tensor,
        lyrics: torch.Tensor,
    ) -> torch.Tensor:
        """The same at these times [B] with this noise."""
        players, length = self.players, latents.shape[1]
        silence = players.condition_encoder.silence_latent[:, :length].expand_as(hints)
        source = torch.where(silent[:, None, None], silence, hints)
        mixed = (1 - time)[:, None, None] * latents + time[:, None, None] * noise
        context = torch.cat([source, torch.ones_like(source)], dim=-1)
        with torch.autocast(latents.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            encoded, mask = conditions(players, text, lyrics)
            made = velocity(players.dit, mixed, time, encoded, mask, context)
        return F.mse_loss(made.float(), noise - latents)


def conditions(
    players: Players, text: torch.Tensor, lyrics: torch.Tensor, references: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the DiT attends to and which of it counts; the first rows' timbres are of `references`, the others' silence.

    Not packed as in rendering: cross-attention has no positions, so with a mask the order makes no difference.
    """
    encoder = players.condition_encoder
    text_mask, lyric_mask = text >= 0, lyrics >= 0
    hidden = players.text_encoder(input_ids=text.clamp(min=0), attention_mask=CAUSAL, use_cache=False)
    read = encoder.text_projector(hidden.last_hidden_state)
    looked_up = players.text_encoder.get_input_embeddings()(lyrics.clamp(min=0))
    sung = encoder.lyric_encoder(inputs_embeds=looked_up, attention_mask=lyric_mask)
    heard = encoder.silence_latent[:, :TIMBRE_FRAMES]
    if references is not None:
        heard = torch.cat([references, heard])
    timbres, there = encoder.timbre_encoder(heard, torch.arange(len(heard), device=text.device))
    silent = len(text) - len(timbres) + 1
    timbre, there = (torch.cat([one[:-1], one[-1:].expand(silent, *one.shape[1:])]) for one in (timbres, there))
    heard = torch.cat([sung, timbre.to(sung.dtype), read.to(sung.dtype)], dim=1)
    return heard, torch.cat([lyric_mask, there.bool(), text_mask], dim=1)


def hear_timbres_apart(condition_encoder: Any) -> None:
    """Spare the timbre encoder the sorting of references by song: each has one, and counting waits for the device."""

    def unpack(packed: torch.Tensor, order: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return packed[:, None], torch.ones_like(order)[:, None]

    condition_encoder.timbre_encoder.unpack_timbre_embeddings = unpack


@torch.no_grad()
def hint(players: Players, codes: torch.Tensor) -> torch.Tensor:
    """What the DiT is given for codes [n]: [5 n, channels] from the detokenizer."""
    quantizer = players.audio_tokenizer.quantizer
    wrong = torch.rand(codes.shape, device=codes.device) < CORRUPT_SHARE
    codes = torch.where(wrong, torch.randint_like(codes, quantizer.codebook_size), codes)
    made: torch.Tensor = players.detokenizer(quantizer.get_output_from_indices(codes[None, :, None]))
    return made[0]


def velocity(
    dit: Any, mixed: torch.Tensor, time: torch.Tensor, encoded: torch.Tensor, mask: torch.Tensor, context: torch.Tensor
) -> torch.Tensor:
    """The DiT's forward with a mask over the conditions, which the class drops: rows here differ in length.

    Source: huggingface/diffusers, src/diffusers/models/transformers/ace_step_transformer.py
    """
    temb_t, scale_t = dit.time_embed(time)
    temb_r, scale_r = dit.time_embed_r(torch.zeros_like(time))
    hidden = torch.cat([context, mixed], dim=-1)
    length = hidden.shape[1]
    hidden = F.pad(hidden, (0, 0, 0, length % dit.patch_size))
    hidden = dit.proj_in_conv(hidden.transpose(1, 2)).transpose(1, 2)
    encoded = dit.condition_embedder(encoded)
    size = {"seq_len": hidden.shape[1], "device": hidden.device, "dtype": hidden.dtype}
    rotary = _ace_step_rotary_freqs(hidden.shape[1], dit.head_dim, dit.rope_theta, hidden.device, hidden.dtype)
    window = _create_4d_mask(**size, sliding_window=dit.config.sliding_window, is_sliding_window=True, is_causal=False)
    for layer, kind in zip(dit.layers, dit.layer_types, strict=True):
        hidden = layer(
            hidden_states=hidden,
            position_embeddings=rotary,
            temb=scale_t + scale_r,
            attention_mask=window if kind == "sliding_attention" else None,
            encoder_hidden_states=encoded,
            encoder_attention_mask=mask[:, None, None],
        )
    shift, scale = (dit.scale_shift_table + (temb_t + temb_r).unsqueeze(1)).chunk(2, dim=1)
    hidden = (dit.norm_out(hidden) * (1 + scale) + shift).type_as(hidden)
    made: torch.Tensor = dit.proj_out_conv(hidden.transpose(1, 2)).transpose(1, 2)
    return made[:, :length]


class Adds(Protocol):
    """A shelf of any kind."""

    def add(self, told: Told) -> None:
        """Put songs onto it."""


def add_both(shelf: Adds, taught: Told | None, held_out: Adds, kept_back: Told | None) -> None:
    """Songs to learn from onto one shelf, songs for the exam onto the other."""
    for place, told in ((shelf, taught), (held_out, kept_back)):
        if told is not None:
            place.add(told)


Found = tuple["Told | None", "Told | None"]


def train_dit(
    course: Course,
    lessons: FlowLessons,
    shelf: Shelf,
    held_out: Shelf,
    reader: ShardReader[Found],
    *,
    frames_a_batch: int,
) -> None:
    """Teach text encoder, condition encoder and DiT in place, taking in songs as they are encoded."""
    rng = np.random.default_rng(course.done)
    exam = flow_exam(lessons, (held_out if len(held_out.spans) else shelf).exam())

    def batch() -> tuple[torch.Tensor, ...]:
        if course.done % LOOK_EVERY == 0:
            for taught, _ in reader.ready():
                if taught is not None:
                    shelf.add(taught)
        lengths = [length for length in LENGTHS if len(shelf.fitting[length])]
        num_frames = int(rng.choice(lengths))
        return shelf.stretches(num_frames, max(1, frames_a_batch // num_frames))

    course.run("dit", batch, exam, every=REPORT_EVERY)


def flow_exam(lessons: FlowLessons, batch: tuple[torch.Tensor, ...]) -> Callable[[], torch.Tensor]:
    """The loss on this batch at the sampler's own eight times, always with the same noise."""
    latents = batch[0]
    steps = 1 - torch.arange(8, device=latents.device) / 8
    times = (SHIFT * steps / (1 + (SHIFT - 1) * steps)).repeat(-(-len(latents) // 8))[: len(latents)]
    numbers = torch.Generator().manual_seed(0)
    noise = torch.randn(latents.shape, generator=numbers).to(latents.device)
    return lambda: lessons.at(times, noise, *batch)
