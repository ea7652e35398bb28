"""The one flat config of the original layout to each component's, in the words of diffusers' classes. No torch.

Source: huggingface/diffusers, scripts/convert_ace_step_to_diffusers.py; XL's keys: ace-step/ACE-Step-1.5,
acestep/models/xl_base/modeling_acestep_v15_xl_base.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from renderer.models.catalog.layouts import Config

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


CONVERSIONS: Mapping[str, Callable[[Config], Config]] = {
    "dit": _dit,
    "condition_encoder": _condition,
    "audio_tokenizer": _tokenizer,
    "audio_token_detokenizer": _pair,
}
"""Of each component; KeyError where the config lacks what has no default."""
