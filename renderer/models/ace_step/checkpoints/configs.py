"""The sizes in a checkpoint's config files, checked: whole numbers where they are, no text, none beyond all bounds.

In: what a JSON file holds, of either layout. Out: the words and defaults of diffusers' and transformers' classes. No
torch. Source: huggingface/diffusers, scripts/convert_ace_step_to_diffusers.py; XL's keys: ace-step/ACE-Step-1.5,
acestep/models/xl_base/modeling_acestep_v15_xl_base.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from renderer.errors import ModelError
from renderer.models.catalog.regular_file import FETCH_AGAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from renderer.models.catalog.layouts import Config

Size = Annotated[int, Field(gt=0, le=1 << 24)]
Layers = Annotated[int, Field(gt=0, le=1_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LayerType = Literal["sliding_attention", "full_attention"]

BLOCKS = ("head_dim", "attention_bias", "attention_dropout", "rms_norm_eps", "sliding_window")
"""What all stacks of a checkpoint in the original layout share, the base of their rotations apart."""
# Present in every published config; these are the class's own defaults for older ones.
PAIR_DEFAULTS: Config = {
    "pool_window_size": 5,
    "fsq_dim": 2048,
    "fsq_input_levels": [8, 8, 8, 5, 5, 5],
    "fsq_input_num_quantizers": 1,
    "num_attention_pooler_hidden_layers": 2,
}


class _Sizes(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", protected_namespaces=())


class _Heads(_Sizes):
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


class Vae(_Sizes):
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


CLASSES: Mapping[str, type[_Sizes]] = {
    "dit": Dit,
    "condition_encoder": ConditionEncoder,
    "audio_tokenizer": AudioTokenizer,
    "audio_token_detokenizer": AudioTokenDetokenizer,
    "vae": Vae,
    "text_encoder": Qwen3,
    "lm": Qwen3,
}


def checked(component: str, config: Config, path: Path) -> Config:
    """A component's sizes with the defaults of its class; `config` is in that class's words, from the file `path`.

    Raises: ModelError naming every value that can't be.
    """
    if CLASSES[component] is Qwen3:
        config = _with_rope_theta(config, path)
    try:
        return CLASSES[component].model_validate(dict(config)).model_dump()
    except ValidationError as error:
        raise _refused(error, path) from error


def from_original(component: str, config: Config, path: Path) -> Config:
    """The sizes of a component in the one flat config of the original layout, in the words of diffusers' class.

    Raises: ModelError naming a key that is missing, or a value that can't be.
    """
    try:
        words = _CONVERSIONS[component](_with_rope_theta(config, path))
    except KeyError as error:
        raise ModelError(
            f"`{path}` says no {error}", why="the sizes of the tensors follow from it", help="fetch the model again"
        ) from error
    return checked(component, words, path)


def _with_rope_theta(config: Config, path: Path) -> Config:
    try:
        return {**config, "rope_theta": rope_theta(config, path)}
    except KeyError as error:
        raise ModelError(f"`{path}` says no {error}", why="positions rotate by it", help=FETCH_AGAIN) from error


def rope_theta(config: Config, path: Path) -> Any:
    """The base of the rotations: at the config's top, or in `rope_parameters`, where transformers 5 writes it.

    Raises: KeyError where it is nowhere; ModelError where it is said twice, or other rotations are asked for.
    """
    nested = config.get("rope_parameters")
    if not isinstance(nested, dict):
        return config["rope_theta"]
    # One for all layers, or one for each type of them.
    tables = list(nested.values()) if nested and all(isinstance(one, dict) for one in nested.values()) else [nested]
    kinds = {str(table.get("rope_type", "default")) for table in tables}
    if kinds != {"default"}:
        raise ModelError(
            f"`{path}` says rope_type = {', '.join(sorted(kinds))}",
            why="ACE-Step's DiT rotates plainly, which is `default`",
            help=FETCH_AGAIN,
        )
    said = [table["rope_theta"] for table in (config, *tables) if table.get("rope_theta") is not None]
    if not said:
        raise KeyError("rope_theta")
    if any(one != said[0] for one in said):
        raise ModelError(f"`{path}` says more than one rope_theta: {', '.join(map(str, said))}", help=FETCH_AGAIN)
    return said[0]


def _refused(error: ValidationError, path: Path) -> ModelError:
    said, why = [], []
    for found in error.errors(include_url=False):
        key = ".".join(str(part) for part in found["loc"] if isinstance(part, str) and part[:1].islower())
        if found["type"] == "missing":
            said.append(f"no '{key}'")
        elif key:
            said.append(f"{key} = {str(found['input'])[:60]}")
        expected = _EXPECTED.get(found["type"], found["msg"].removeprefix("Value error, "))
        why.append(f"{key}: {expected}" if key else expected)
    return ModelError(
        f"`{path}` says {', '.join(dict.fromkeys(said)) or 'what can not be'}",
        why="; ".join(dict.fromkeys(why)),
        help="fetch the model again",
    )


_EXPECTED = {
    "missing": "the sizes of the tensors follow from it",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "string_type": "a word is expected",
    "list_type": "a list is expected",
    "finite_number": "a number is expected",
    "greater_than": "it has to be larger",
    "greater_than_equal": "it has to be larger",
    "less_than_equal": "no checkpoint is that large",
    "int_parsing_size": "no checkpoint is that large",
}


def _dit(config: Config) -> Config:
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    own = ("in_channels", "audio_acoustic_hidden_dim", "patch_size", "layer_types")
    return {
        **{key: config[key] for key in (*sizes, *own, *BLOCKS, "rope_theta")},
        "encoder_hidden_size": _encoder_width(config)["hidden_size"],
        "is_turbo": config.get("is_turbo") or False,
        "model_version": config.get("model_version"),
    }


def _encoder_width(config: Config) -> Config:
    """Widths of everything but the DiT: XL's encoders are narrower than its DiT and have keys of their own."""
    keys = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    width = {key: config.get(f"encoder_{key}") or config[key] for key in keys}
    return {**width, **{key: config[key] for key in (*BLOCKS, "rope_theta")}}


def _condition(config: Config) -> Config:
    own = (
        "text_hidden_dim",
        "timbre_hidden_dim",
        "num_lyric_encoder_hidden_layers",
        "num_timbre_encoder_hidden_layers",
    )
    return {**_encoder_width(config), **{key: config[key] for key in own}}


def _pair(config: Config) -> Config:
    shared = ("pool_window_size", "num_attention_pooler_hidden_layers")
    return {
        **_encoder_width(config),
        **{key: config.get(key, PAIR_DEFAULTS[key]) for key in shared},
        "audio_acoustic_hidden_dim": config["audio_acoustic_hidden_dim"],
    }


def _tokenizer(config: Config) -> Config:
    own = ("fsq_dim", "fsq_input_levels", "fsq_input_num_quantizers")
    return {**_pair(config), **{key: config.get(key, PAIR_DEFAULTS[key]) for key in own}}


_CONVERSIONS: Mapping[str, Callable[[Config], Config]] = {
    "dit": _dit,
    "condition_encoder": _condition,
    "audio_tokenizer": _tokenizer,
    "audio_token_detokenizer": _pair,
}
