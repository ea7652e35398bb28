"""The original layout read as it is: ACE-Step's own config and tensor names to those of diffusers' classes.

Source: huggingface/diffusers, scripts/convert_ace_step_to_diffusers.py; XL's keys: ace-step/ACE-Step-1.5,
acestep/models/xl_base/modeling_acestep_v15_xl_base.py
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

from renderer.errors import ModelError
from renderer.models.ace_step.weights import stored_tensors
from renderer.models.layouts import ORIGINAL_PREFIXES, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from renderer.models.ace_step.weights import Stored

STEM = "model"
SILENCE_FILE = "silence_latent.pt"
NULL_CONDITION = "null_condition_emb"
RENAMES: Mapping[str, str] = {
    "q_proj": "to_q",
    "k_proj": "to_k",
    "v_proj": "to_v",
    "o_proj": "to_out.0",
    "q_norm": "norm_q",
    "k_norm": "norm_k",
}
ATTENTIONS = (".self_attn.", ".cross_attn.")
BLOCKS = ("head_dim", "rope_theta", "attention_bias", "attention_dropout", "rms_norm_eps", "sliding_window")
"""What all stacks of a checkpoint share."""
# Present in every published config; these are the class's own defaults for older ones.
PAIR_DEFAULTS: Mapping[str, Any] = {
    "pool_window_size": 5,
    "fsq_dim": 2048,
    "fsq_input_levels": [8, 8, 8, 5, 5, 5],
    "fsq_input_num_quantizers": 1,
    "num_attention_pooler_hidden_layers": 2,
}


def renamed(name: str) -> str:
    """A tensor's name inside its component, as diffusers' class has it."""
    if any(attention in name for attention in ATTENTIONS):
        for theirs, ours in RENAMES.items():
            name = name.replace(f".{theirs}.", f".{ours}.")
    return name.replace("proj_in.1.", "proj_in_conv.").replace("proj_out.1.", "proj_out_conv.")


def component_tensors(folder: Path, component: str) -> dict[str, Stored]:
    """Where a component's tensors lie in the one file (or its shards) that holds all four."""
    everything = stored_tensors(folder, STEM)
    prefix = ORIGINAL_PREFIXES[component]
    found = {
        renamed(name.removeprefix(prefix)): stored for name, stored in everything.items() if name.startswith(prefix)
    }
    if component == "condition_encoder" and NULL_CONDITION in everything:
        found[NULL_CONDITION] = everything[NULL_CONDITION]
    return found


def left_out(folder: Path) -> tuple[str, ...]:
    """Tensors that belong to no component and so aren't read; upstream's converter leaves them out and says so, too."""
    prefixes = tuple(ORIGINAL_PREFIXES.values())
    return tuple(
        sorted(
            name for name in stored_tensors(folder, STEM) if not name.startswith(prefixes) and name != NULL_CONDITION
        )
    )


def component_config(folder: Path, component: str) -> dict[str, Any]:
    """A component's sizes in diffusers' words.

    Raises: ModelError naming a key that the config lacks.
    """
    config = read_json(folder / "config.json")
    try:
        return _CONFIGS[component](config)
    except KeyError as error:
        raise ModelError(
            f"`{folder / 'config.json'}` says no {error}",
            why="the sizes of the tensors follow from it",
            help="fetch the model again",
        ) from error


def silence_latent(folder: Path) -> Tensor:
    """[1, frames, channels]: what encoded silence looks like, stored channels first.

    Raises: ModelError when the file is missing, holds more than a tensor, or another shape.
    """
    path = folder / SILENCE_FILE
    try:
        # Never anything but tensors: a pickle could run code.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"`{path}` is missing", why="timbre is taken from it", help="fetch the model again") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ModelError(f"`{path}` is no tensor", why=str(error).splitlines()[0], help="fetch it again") from error
    if not isinstance(loaded, torch.Tensor) or loaded.dim() != 3 or loaded.shape[0] != 1:  # noqa: PLR2004 - batch, channels, frames
        found = tuple(loaded.shape) if isinstance(loaded, torch.Tensor) else type(loaded).__name__
        raise ModelError(f"`{path}` holds {found}, expected is a tensor [1, channels, frames]", help="fetch it again")
    return loaded.transpose(1, 2).contiguous()


def _dit_config(config: Mapping[str, Any]) -> dict[str, Any]:
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    own = ("in_channels", "audio_acoustic_hidden_dim", "patch_size", "layer_types")
    return {
        **{key: config[key] for key in (*sizes, *own, *BLOCKS)},
        "encoder_hidden_size": _encoder_width(config)["hidden_size"],
        "is_turbo": bool(config.get("is_turbo", False)),
        "model_version": config.get("model_version"),
    }


def _encoder_width(config: Mapping[str, Any]) -> dict[str, Any]:
    """Widths of everything but the DiT: XL's encoders are narrower than its DiT and have keys of their own."""
    keys = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    width = {key: config.get(f"encoder_{key}") or config[key] for key in keys}
    return {**width, **{key: config[key] for key in BLOCKS}}


def _condition_config(config: Mapping[str, Any]) -> dict[str, Any]:
    own = (
        "text_hidden_dim",
        "timbre_hidden_dim",
        "num_lyric_encoder_hidden_layers",
        "num_timbre_encoder_hidden_layers",
    )
    return {**_encoder_width(config), **{key: config[key] for key in own}}


def _pair_config(config: Mapping[str, Any]) -> dict[str, Any]:
    shared = ("pool_window_size", "num_attention_pooler_hidden_layers")
    return {
        **_encoder_width(config),
        **{key: config.get(key, PAIR_DEFAULTS[key]) for key in shared},
        "audio_acoustic_hidden_dim": config["audio_acoustic_hidden_dim"],
    }


def _tokenizer_config(config: Mapping[str, Any]) -> dict[str, Any]:
    own = ("fsq_dim", "fsq_input_levels", "fsq_input_num_quantizers")
    return {**_pair_config(config), **{key: config.get(key, PAIR_DEFAULTS[key]) for key in own}}


_CONFIGS = {
    "dit": _dit_config,
    "condition_encoder": _condition_config,
    "audio_tokenizer": _tokenizer_config,
    "audio_token_detokenizer": _pair_config,
}
