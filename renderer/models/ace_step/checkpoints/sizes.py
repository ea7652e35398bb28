"""The sizes that each component's config holds, with the defaults of diffusers' and transformers' classes. No torch.

Whole numbers where they are, no text, none beyond all bounds: tensors' shapes follow from them before a byte of weights
is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

Size = Annotated[int, Field(gt=0, le=1 << 24)]
Layers = Annotated[int, Field(gt=0, le=1_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LayerType = Literal["sliding_attention", "full_attention"]


class Sizes(BaseModel):
    """A component's; keys that nothing follows from are passed over."""

    # A set that was looked through before is asked for none of them.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", protected_namespaces=(), defer_build=True)


class _Heads(Sizes):
    hidden_size: Size
    num_attention_heads: Size
    num_key_value_heads: Size | None
    head_dim: Size = 128
    attention_bias: bool = False

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.num_attention_heads % (self.num_key_value_heads or self.num_attention_heads):
            raise ValueError("num_attention_heads is no multiple of num_key_value_heads")
        if self.head_dim % 2:
            raise ValueError("head_dim is odd, rotations go in pairs")
        return self


class Blocks(_Heads):
    """What diffusers' classes of ACE-Step share, with their defaults."""

    hidden_size: Size = 2048
    intermediate_size: Size = 6144
    num_attention_heads: Size = 16
    num_key_value_heads: Size | None = 8
    rope_theta: Positive = 1_000_000.0
    attention_dropout: Share = 0.0
    rms_norm_eps: Positive = 1e-6
    sliding_window: Size | None = 128
    layer_types: list[LayerType] | None = None

    num_typed: ClassVar[str]
    """The key with the number of layers that `layer_types` tells of."""

    @model_validator(mode="after")
    def _each_layer_typed(self) -> Self:
        num_layers = getattr(self, self.num_typed)
        if self.layer_types is not None and len(self.layer_types) < num_layers:
            raise ValueError(f"layer_types names {len(self.layer_types)} of {num_layers} layers")
        return self


class Dit(Blocks):
    """`AceStepTransformer1DModel`."""

    num_hidden_layers: Layers = 24
    in_channels: Size = 192
    audio_acoustic_hidden_dim: Size = 64
    patch_size: Size = 2
    encoder_hidden_size: Size | None = None
    is_turbo: bool = False
    model_version: str | None = None
    num_typed = "num_hidden_layers"


class ConditionEncoder(Blocks):
    """`AceStepConditionEncoder`."""

    text_hidden_dim: Size = 1024
    timbre_hidden_dim: Size = 64
    num_lyric_encoder_hidden_layers: Layers = 8
    num_timbre_encoder_hidden_layers: Layers = 4
    num_typed = "num_lyric_encoder_hidden_layers"


class AudioTokenDetokenizer(Blocks):
    """`AceStepAudioTokenDetokenizer`."""

    audio_acoustic_hidden_dim: Size = 64
    pool_window_size: Size = 5
    num_attention_pooler_hidden_layers: Layers = 2
    num_typed = "num_attention_pooler_hidden_layers"


class AudioTokenizer(AudioTokenDetokenizer):
    """`AceStepAudioTokenizer`."""

    fsq_dim: Size = 2048
    fsq_input_levels: list[Annotated[int, Field(gt=1, le=1_000)]] | None = None
    fsq_input_num_quantizers: Size = 1


class Vae(Sizes):
    """`AutoencoderOobleck`."""

    encoder_hidden_size: Size = 128
    downsampling_ratios: list[Size] = [2, 4, 4, 8, 8]
    channel_multiples: list[Size] = [1, 2, 4, 8, 16]
    decoder_channels: Size = 128
    decoder_input_channels: Size = 64
    audio_channels: Size = 2
    sampling_rate: Size = 44_100

    @model_validator(mode="after")
    def _each_block_sized(self) -> Self:
        if len(self.channel_multiples) != len(self.downsampling_ratios):
            raise ValueError("channel_multiples and downsampling_ratios are of different length")
        return self


class VaeEncoder(Vae):
    """An encoder apart from its VAE, in the VAE's words: it gives as many latents as the decoder takes."""


class Qwen3(_Heads):
    """`Qwen3Config`, of the LM and the text encoder."""

    model_type: Literal["qwen3"]
    vocab_size: Size = 151_936
    hidden_size: Size = 4096
    intermediate_size: Size = 22_016
    num_hidden_layers: Layers = 32
    num_attention_heads: Size = 32
    num_key_value_heads: Size | None = 32
    tie_word_embeddings: bool = False
    rope_theta: Positive
    rms_norm_eps: Positive = 1e-6
    hidden_act: Literal["silu"] = "silu"
    max_position_embeddings: Size = 32_768
    use_sliding_window: Literal[False] = False
    layer_types: list[LayerType] | None = None

    @model_validator(mode="after")
    def _each_layer_typed(self) -> Self:
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(f"layer_types names {len(self.layer_types)} layers, num_hidden_layers is not that many")
        return self


CLASSES: Mapping[str, type[Sizes]] = {
    "dit": Dit,
    "condition_encoder": ConditionEncoder,
    "audio_tokenizer": AudioTokenizer,
    "audio_token_detokenizer": AudioTokenDetokenizer,
    "vae": Vae,
    "vae_encoder": VaeEncoder,
    "text_encoder": Qwen3,
    "lm": Qwen3,
}
