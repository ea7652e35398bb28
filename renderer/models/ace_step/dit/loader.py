"""The DiT and its encoders from a model set's files: which are read, in which dtype, with which kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from renderer.models import device as devices
from renderer.models import memory
from renderer.models.ace_step.checkpoints.checks import check_silence
from renderer.models.ace_step.dit.attention import BlockAttention, VarlenAttention
from renderer.models.ace_step.dit.conditions import Encoders, silent_reference
from renderer.models.ace_step.dit.fused import FusedDit
from renderer.models.ace_step.dit.lora import merge
from renderer.models.ace_step.dit.plain import PlainDit
from renderer.models.ace_step.needs import parameters
from renderer.models.ace_step.protocol.names import DIT
from renderer.models.ace_step.protocol.text_tokens import load_text_tokens
from renderer.models.catalog import layouts
from renderer.models.kernels.elementwise import elementwise
from renderer.models.kernels.qwen3 import fuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from renderer.models.ace_step.checkpoints.components import FindComponent, Found
    from renderer.models.ace_step.dit.velocity import ResidentDit
    from renderer.models.device import Dtypes
    from renderer.models.model_files import ModelFiles, Settings
    from renderer.models.stage_job import Listener

TOKENIZER_PAIR = ("audio_tokenizer", "audio_token_detokenizer")
WORK_BYTES = 2_000_000_000  # what the DiT's activations take at the longest lengths


def component_dtypes(files: ModelFiles, dtypes: Dtypes) -> Mapping[str, str]:
    """The components of a set's encoders and DiT, in the order they are read in, and the dtype of each."""
    pair = TOKENIZER_PAIR if layouts.has_audio_tokenizer(files) else ()
    encoders = dict.fromkeys(("condition_encoder", *pair), dtypes.condition_encoder)
    return {"text_encoder": dtypes.text_encoder, **encoders, "dit": dtypes.dit}


@dataclass(frozen=True, slots=True, kw_only=True)
class DitLoader:
    """Where a DiT and its encoders are read from, and what to."""

    files: ModelFiles
    settings: Settings
    dtypes: Dtypes
    device: torch.device
    unused: tuple[str, ...]
    """Names of the checkpoint's tensors that are part of nothing."""
    read_timbre: Callable[[Any, Tensor], Tensor]
    """How this set's condition encoder hears a voice in latents."""
    find: FindComponent
    """What gives its components: read already or not."""

    def encoders(self, listener: Listener) -> Encoders:
        """Text and condition encoder and, where there is one, the audio tokenizer pair.

        Raises: ModelError when a component is missing or isn't what it claims.
        """
        own = component_dtypes(self.files, self.dtypes)
        tokens, text_encoder = load_text_tokens(self.files), self._text_encoder(own["text_encoder"], listener)
        condition_encoder = self._load("condition_encoder", own["condition_encoder"], listener)
        check_silence(condition_encoder.silence_latent, self.files)
        tokenizer, detokenizer = (
            self._load(name, own[name], listener) if name in own else None for name in TOKENIZER_PAIR
        )
        timbre = self.read_timbre(condition_encoder, silent_reference(condition_encoder))
        devices.synchronise(self.device)  # they work aside, where nothing waits for what the main queue is at
        return Encoders(
            tokens=tokens,
            text_encoder=text_encoder,
            condition_encoder=condition_encoder,
            audio_tokenizer=tokenizer,
            audio_token_detokenizer=detokenizer,
            read_timbre=self.read_timbre,
            timbre=timbre,
            device=self.device,
            dtype=getattr(torch, self.dtypes.dit),
        )

    def exact_tokenizer(self, encoders: Encoders, listener: Listener) -> Any:
        """The audio tokenizer in float32, which sorts sound into the codes that it was taught; read anew if need be."""
        if encoders.audio_tokenizer is None or self.dtypes.condition_encoder == "float32":
            return encoders.audio_tokenizer
        return self._load("audio_tokenizer", "float32", listener)

    def unread_dit(self) -> Found:
        """The DiT, checked, without its weights.

        Raises: ModelError when it isn't what it claims.
        """
        return self.find(self.files, "dit")

    def dit(self, unread: Found, listener: Listener) -> ResidentDit:
        """The DiT with its adapters, in the device's kernels.

        Raises: ModelError when an adapter doesn't fit it.
        """
        transformer = unread.load(dtype=self.dtypes.dit, device=self.device, listener=listener)
        merge(transformer, self.files.loras)
        return DITS[devices.kernels(self.settings.device, self.dtypes.dit)](transformer)

    def has_room(self) -> bool:
        """Whether the DiT fits beside what is resident."""
        count = parameters(self.files, DIT)["dit"]
        return devices.free_bytes(self.device) > count * memory.ITEM_SIZE[self.dtypes.dit] + WORK_BYTES

    def _text_encoder(self, dtype: str, listener: Listener) -> Any:
        text_encoder = self._load("text_encoder", dtype, listener)
        kernels = devices.kernels(self.settings.device, self.dtypes.dit)
        if kernels != "plain":
            fuse(text_encoder, elementwise(by_triton=kernels == "triton"))
        return text_encoder

    def _load(self, component: str, dtype: str, listener: Listener) -> Any:
        return self.find(self.files, component).load(dtype=dtype, device=self.device, listener=listener)


def _by_triton(transformer: Any) -> ResidentDit:
    return FusedDit(transformer, attention=VarlenAttention.of, elementwise=elementwise(by_triton=True))


DITS: Mapping[str, Callable[[Any], ResidentDit]] = {
    "plain": PlainDit,
    "blockwise": partial(FusedDit, attention=BlockAttention.of),
    "flash": partial(FusedDit, attention=VarlenAttention.of),
    "triton": _by_triton,
}
