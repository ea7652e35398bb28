"""Texts and codes to the DiT's conditions, one take at a time, so that nothing is ever padded.

Neither upstream's model nor diffusers' masks padding in the DiT: in a batch, a neighbour's length would
change the music.

Source: huggingface/diffusers, src/diffusers/pipelines/ace_step/pipeline_ace_step.py, whose arithmetic this repeats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, cast

import torch

from renderer.errors import StageError
from renderer.facts import LATENT_RATE, MAX_LYRIC_TOKENS, MAX_TEXT_TOKENS
from renderer.models import device as devices
from renderer.models.ace_step.dit.velocity import Conditions

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from renderer.models.ace_step.protocol.text_tokens import TextTokens

MAX_CONDITION_TOKENS = MAX_LYRIC_TOKENS + 1 + MAX_TEXT_TOKENS  # that a take's conditions can have: lyrics, timbre, text
TIMBRE_FRAMES = 30 * LATENT_RATE  # of silence, standing for "no reference audio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoders:
    """The small models in front of the DiT, resident."""

    tokens: TextTokens
    text_encoder: Any
    condition_encoder: Any
    audio_tokenizer: Any | None
    """With the detokenizer: codes to hints; None in pipelines published without them."""
    audio_token_detokenizer: Any | None
    read_timbre: Callable[[Any, Tensor], Tensor]
    """How this set's condition encoder hears a voice in latents [1, frames, channels]: [1, 1, width]."""
    timbre: Tensor
    """[1, 1, width]: that of silence, the same for every take without a reference."""
    device: torch.device
    dtype: torch.dtype
    """The DiT's, in which conditions are handed on."""


def lost_parts(tokens: TextTokens, text: str, lyrics: str) -> tuple[str, ...]:
    """What of the prompts lies beyond the limits of training and is lost, in words; nothing when all is."""
    lost = []
    for name, prompt, limit, what in (
        ("text", text, MAX_TEXT_TOKENS, "metas"),
        ("lyric", lyrics, MAX_LYRIC_TOKENS, "lines"),
    ):
        length = len(tokens.ids(prompt))
        if length > limit:
            lost.append(f"the {name} prompt has {length} tokens, the DiT hears {limit}: the {what} at its end are lost")
    return tuple(lost)


@dataclass(frozen=True, slots=True)
class ConditionCache:
    """The encoders at work on several takes: what is said twice is encoded once."""

    encoders: Encoders
    encoded: dict[tuple[str, str, bytes], Tensor] = field(default_factory=dict)
    """Text and lyric prompt, and the reference's latents -> what was encoded for them."""

    @torch.no_grad()
    def conditions(
        self, text: str, lyrics: str, source: Tensor, reference: npt.NDArray[np.float32] | None = None
    ) -> Conditions:
        """Prompts as written for the DiT to conditions for a source, [1, frames, channels], which counts everywhere.

        `reference` is what the timbre is heard in: float32 [frames, channels], or None.
        """
        encoders = self.encoders
        # Seeds of one song say the same: their texts are encoded once.
        said = (text, lyrics, b"" if reference is None else reference.tobytes())
        if said not in self.encoded:
            timbre = encoders.timbre if reference is None else _timbre(encoders, reference)
            self.encoded[said] = _encode_texts(encoders, text, lyrics, timbre).to(encoders.dtype)
        return Conditions(
            encoded=self.encoded[said],
            null=encoders.condition_encoder.null_condition_emb.to(encoders.dtype),
            context=torch.cat([source, torch.ones_like(source)], dim=-1).to(encoders.dtype),
        )


def _timbre(encoders: Encoders, reference: npt.NDArray[np.float32]) -> Tensor:
    frames = devices.to_device(torch.from_numpy(reference), encoders.device)[None]
    return encoders.read_timbre(encoders.condition_encoder, frames.to(encoders.condition_encoder.dtype))


def read_timbre_by_token(condition_encoder: Any, frames: Tensor) -> Tensor:
    """[1, 1, width]: the same in XL sets, whose timbre is read where a token of its own stands before the sound.

    diffusers' class holds the token and leaves it out. Source: ace-step/ACE-Step-1.5, acestep/models/xl_turbo
    """
    encoder = condition_encoder.timbre_encoder

    def put_token_first(_module: Any, _inputs: Any, frames: Tensor) -> Tensor:
        return torch.cat([encoder.special_token.to(frames.dtype).expand(len(frames), -1, -1), frames], dim=1)

    placing = encoder.embed_tokens.register_forward_hook(put_token_first)
    try:
        return read_timbre(condition_encoder, frames)
    finally:
        placing.remove()


@torch.no_grad()
def read_timbre(condition_encoder: Any, frames: Tensor) -> Tensor:
    """[1, 1, width]: the voice in a reference's latents [1, frames, channels]."""
    timbre, _ = condition_encoder.timbre_encoder(frames, torch.zeros(1, device=frames.device, dtype=torch.long))
    return cast("Tensor", timbre)


def silent_reference(condition_encoder: Any) -> Tensor:
    """[1, frames, channels]: what stands for "no reference audio"; encoded silence, never zeros."""
    silence: Tensor = condition_encoder.silence_latent[:, :TIMBRE_FRAMES]
    return silence


def _encode_texts(encoders: Encoders, text: str, lyrics: str, timbre: Tensor) -> Tensor:
    """[1, tokens, width]: lyrics, then the timbre, then the text."""
    text_ids, lyric_ids = (
        devices.to_device(torch.tensor([encoders.tokens.ids(prompt, limit)]), encoders.device)
        for prompt, limit in ((text, MAX_TEXT_TOKENS), (lyrics, MAX_LYRIC_TOKENS))
    )
    encoder = encoders.condition_encoder
    # Lyrics are only looked up: their context comes from the condition encoder's own lyric encoder.
    looked_up = encoders.text_encoder.get_input_embeddings()(lyric_ids)
    # Its parts one by one, as its forward has them: that would encode the timbre anew, and wait for the device.
    sung: Tensor = encoder.lyric_encoder(
        inputs_embeds=looked_up.to(encoder.dtype), attention_mask=torch.ones_like(lyric_ids, dtype=torch.bool)
    )
    read: Tensor = encoder.text_projector(_encode_text(encoders.text_encoder, text_ids).to(encoder.dtype))
    return torch.cat([sung, timbre, read], dim=1)


def _encode_text(text_encoder: Any, ids: Tensor) -> Tensor:
    """[1, tokens, width]; one text without padding needs no mask but the causal one, which the layers know."""
    read: Tensor = text_encoder(
        input_ids=ids, attention_mask={"full_attention": None}, use_cache=False
    ).last_hidden_state
    return read


def silence(encoders: Encoders, num_frames: int) -> Tensor:
    """[1, frames, channels]: encoded silence, from its start again where it is too short."""
    encoded: Tensor = encoders.condition_encoder.silence_latent
    repeats = -(-num_frames // encoded.shape[1])
    return encoded.repeat(1, repeats, 1)[:, :num_frames]


@torch.no_grad()
def hints(encoders: Encoders, codes: npt.NDArray[np.int32]) -> Tensor:
    """[1, 5 · codes, channels]: what the codes (int [n], 5 Hz) stand for.

    Raises: StageError when there is nothing to read them with, or a code the codebook lacks.
    """
    tokenizer, detokenizer = encoders.audio_tokenizer, encoders.audio_token_detokenizer
    if tokenizer is None or detokenizer is None:
        raise StageError(
            "this model set can't read audio codes",
            why="it was published without audio_tokenizer and audio_token_detokenizer",
            help="take another model set, or set `thinking = false`",
        )
    # Numbers of the config and of the host: those of the quantizer lie on the device, which would be waited for.
    codebook_size = prod(tokenizer.config.fsq_input_levels)
    if codes.max() >= codebook_size or codes.min() < 0:
        raise StageError(
            f"the LM wrote code {codes.max()}, the codebook ends at {codebook_size - 1}",
            why="LM and DiT don't belong together",
            help="take the LM that belongs to the model set",
        )
    indices = devices.to_device(torch.from_numpy(codes).to(torch.long), encoders.device)
    quantized = tokenizer.quantizer.get_output_from_indices(indices[None, :, None])
    heard: Tensor = detokenizer(quantized)
    return heard
