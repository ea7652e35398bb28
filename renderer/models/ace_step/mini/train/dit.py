"""The DiT with its text and condition encoders, jointly: flow matching on latents, conditions as in rendering."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom
from diffusers.models.transformers.ace_step_transformer import _ace_step_rotary_freqs, _create_4d_mask
from diffusers.pipelines.ace_step.modeling_ace_step import _pack_sequences

from renderer.models.ace_step.conditions import MAX_LYRIC_TOKENS, MAX_TEXT_TOKENS, TIMBRE_FRAMES
from renderer.models.ace_step.mini.composer.song import draw
from renderer.models.ace_step.mini.train.schedule import Average, Budget, Optimiser
from renderer.models.ace_step.mini.train.texts import dit_texts

if TYPE_CHECKING:
    from renderer.models.ace_step.mini.train.shards import Encoded, ShardReader

log = logging.getLogger(__name__)

SHIFT = 3.0
SILENT_SHARE = 0.15
"""How often there are no codes: the hint is silence and the instruction text2music's."""
OFFSET_SHARE = 0.3
"""How often a stretch starts inside the song."""
CORRUPT_SHARE = 0.02
"""Codes replaced at random, as an LM errs."""
LENGTHS = (250, 375, 500, 750, 1_000, 1_250, 1_500)
"""Latent frames of a batch's stretches."""
TEXT_VARIANTS = 4
REPORT_EVERY = 200
LOOK_EVERY = 50
"""Rounds between two looks for new songs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Players:
    """Everything between texts and latents, on one device."""

    tokenizer: Any
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
    """Songs to learn from: latents, codes and token ids of several tellings, growing while it is used."""

    def __init__(self, players: Players, *, room_frames: int, channels: int) -> None:
        self.players = players
        device = players.dit.device
        self.latents = torch.zeros(room_frames, channels, dtype=torch.float16, device=device)
        self.hints = torch.zeros_like(self.latents)
        """The codes through the detokenizer, a few of them wrong, as an LM errs."""
        self.starts: list[int] = []
        """In frames."""
        self.lengths: list[int] = []
        """In frames."""
        self.texts: list[list[list[int]]] = []
        self.lyrics: list[list[int]] = []

    def add(self, song: Encoded) -> None:
        """One song, if there is room."""
        start = self.starts[-1] + self.lengths[-1] if self.starts else 0
        end = start + 5 * len(song.codes)
        if end > len(self.latents):
            return
        piece = draw(song.seed)
        rng = np.random.default_rng([song.seed, 3])
        tellings = [dit_texts(piece, rng, with_codes=index > 0) for index in range(TEXT_VARIANTS)]
        read = self.players.tokenizer
        texts = read([text for text, _ in tellings], truncation=True, max_length=MAX_TEXT_TOKENS).input_ids
        lyrics = read(tellings[0][1], truncation=True, max_length=MAX_LYRIC_TOKENS).input_ids
        self.latents[start:end] = song.latents.to(self.latents.device)
        self.hints[start:end] = hint(self.players, song.codes.to(self.latents.device).long()).to(self.hints.dtype)
        self.texts.append(texts)
        self.lyrics.append(lyrics)
        self.lengths.append(end - start)
        self.starts.append(start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """A batch: equal stretches of songs with what is said about them."""

    latents: torch.Tensor
    """[B, T, channels]."""
    hints: torch.Tensor | None
    """[B, T, channels]; None is silence."""
    text: torch.Tensor
    text_mask: torch.Tensor
    lyrics: torch.Tensor
    lyric_mask: torch.Tensor


def draw_stretches(shelf: Shelf, rng: np.random.Generator, *, frames_a_batch: int) -> Stretches:
    """Songs at least as long as a drawn length, cut to it."""
    num_frames = int(rng.choice(LENGTHS))
    lengths = np.asarray(shelf.lengths)
    fit = np.flatnonzero(lengths >= num_frames)
    if not len(fit):
        return draw_stretches(shelf, rng, frames_a_batch=frames_a_batch)
    chosen = rng.choice(fit, max(1, frames_a_batch // num_frames))
    silent = bool(rng.random() < SILENT_SHARE)
    inside = (rng.random(len(chosen)) < OFFSET_SHARE) & (not silent)
    offsets = (rng.random(len(chosen)) * ((lengths[chosen] - num_frames) // 5 + 1)).astype(np.int64) * 5 * inside
    device = shelf.latents.device
    starts = torch.from_numpy(np.asarray(shelf.starts)[chosen] + offsets).to(device)[:, None]
    tellings = np.zeros(len(chosen), dtype=np.int64) if silent else rng.integers(1, TEXT_VARIANTS, len(chosen))
    text, text_mask = pad([shelf.texts[song][telling] for song, telling in zip(chosen, tellings, strict=True)], device)
    lyric, lyric_mask = pad([shelf.lyrics[song] for song in chosen], device)
    at = starts + torch.arange(num_frames, device=device)
    return Stretches(
        latents=shelf.latents[at].float(),
        hints=None if silent else shelf.hints[at].float(),
        text=text,
        text_mask=text_mask,
        lyrics=lyric,
        lyric_mask=lyric_mask,
    )


def pad(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as one tensor, padded right, with their mask."""
    width = -(-max(map(len, rows)) // 16) * 16
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=bool)
    for row, values in enumerate(rows):
        ids[row, : len(values)] = values
        mask[row, : len(values)] = True
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def flow_loss(players: Players, batch: Stretches) -> torch.Tensor:
    """Mean squared error of the velocity at times of the shift-3 schedule."""
    rows, length, _ = batch.latents.shape
    encoded, mask = conditions(players, batch)
    silent = players.condition_encoder.silence_latent[:, :length].expand(rows, -1, -1)
    source = silent if batch.hints is None else batch.hints
    uniform = torch.rand(rows, device=source.device)
    time = SHIFT * uniform / (1 + (SHIFT - 1) * uniform)
    noise = torch.randn_like(batch.latents)
    mixed = (1 - time)[:, None, None] * batch.latents + time[:, None, None] * noise
    context = torch.cat([source, torch.ones_like(source)], dim=-1)
    made = velocity(players.dit, mixed, time, encoded, mask, context)
    return F.mse_loss(made.float(), noise - batch.latents)


def conditions(players: Players, batch: Stretches) -> tuple[torch.Tensor, torch.Tensor]:
    """The packed conditions and which of them count; the timbre of silence is the same in every row."""
    encoder = players.condition_encoder
    text = encoder.text_projector(players.text_encoder(input_ids=batch.text).last_hidden_state)
    looked_up = players.text_encoder.get_input_embeddings()(batch.lyrics)
    lyrics = encoder.lyric_encoder(inputs_embeds=looked_up, attention_mask=batch.lyric_mask)
    order = torch.zeros(1, dtype=torch.long, device=text.device)
    timbre, _ = encoder.timbre_encoder(encoder.silence_latent[:, :TIMBRE_FRAMES], order)
    timbre = timbre.expand(len(text), -1, -1).to(lyrics.dtype)
    there = torch.ones(len(text), 1, dtype=torch.bool, device=text.device)
    packed, mask = _pack_sequences(lyrics, timbre, batch.lyric_mask, there)
    packed, mask = _pack_sequences(packed, text.to(packed.dtype), mask, batch.text_mask)
    return packed, mask


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


def train_dit(
    players: Players, shelf: Shelf, reader: ShardReader, *, budget: Budget, frames_a_batch: int, seed: int = 0
) -> None:
    """Teach text encoder, condition encoder and DiT in place, taking in songs as they are encoded."""
    device = shelf.latents.device
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    parameters = [parameter for module in players.taught for parameter in module.parameters()]
    for module in players.taught:
        module.train()
    optimiser = Optimiser(parameters, peak=1.5e-3, betas=(0.9, 0.97), decay=1e-2)
    average = Average(players.taught, 0.999)
    recent = torch.zeros((), device=device)
    for done, progress in budget.rounds_left():
        if done % LOOK_EVERY == 0:
            for song in reader.new_songs():
                shelf.add(song)
        batch = draw_stretches(shelf, rng, frames_a_batch=frames_a_batch)
        loss = flow_loss(players, batch)
        optimiser.advance(loss, progress)
        average.update(done)
        recent = torch.lerp(recent, loss.detach(), 0.02 if done else 1.0)
        if done % REPORT_EVERY == 0:
            log.info("dit %d %.2f: flow %.4f (%d songs)", done, progress, recent.item(), len(shelf.starts))
    average.install()
    for module in players.taught:
        module.eval()
