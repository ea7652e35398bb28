"""The tiny set written as ACE-Step publishes it: the original layout, from the diffusers one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

DIFFUSERS_FILE = "diffusion_pytorch_model.safetensors"
ATTENTION = {
    "to_q": "q_proj",
    "to_k": "k_proj",
    "to_v": "v_proj",
    "to_out.0": "o_proj",
    "norm_q": "q_norm",
    "norm_k": "k_norm",
}
WIDTHS = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
COMPONENTS = {
    "transformer": "decoder.",
    "condition_encoder": "encoder.",
    "audio_tokenizer": "tokenizer.",
    "audio_token_detokenizer": "detokenizer.",
}


def write_wide(tiny: Path, folder: Path) -> Path:
    """The tiny set, in its own layout, with a DiT wider than its encoders, as the XL sets are."""
    from diffusers import AceStepTransformer1DModel

    shutil.copytree(tiny, folder)
    sizes = {"hidden_size": 48, "intermediate_size": 80, "num_attention_heads": 6, "num_key_value_heads": 3}
    torch.manual_seed(0)
    config = {**AceStepTransformer1DModel.load_config(folder / "transformer"), **sizes, "encoder_hidden_size": 32}
    AceStepTransformer1DModel.from_config(config).save_pretrained(folder / "transformer")
    return folder


def change_timbre_token(folder: Path) -> None:
    """Another token for the timbre encoder of a set in diffusers' layout: XL sets read the timbre there."""
    path = folder / "condition_encoder" / DIFFUSERS_FILE
    tensors = load_file(path)
    tensors["timbre_encoder.special_token"] = tensors["timbre_encoder.special_token"] + 1.0
    save_file(tensors, path)


def write_bundle(
    tiny: Path, folder: Path, *, dit: str = "acestep-v15-turbo", num_shards: int = 1, dtype: torch.dtype = torch.float32
) -> Path:
    """The bundle: DiT folder, VAE, text encoder and LM side by side."""
    write_dit(tiny, folder / dit, num_shards=num_shards, dtype=dtype)
    shutil.copytree(tiny / "vae", folder / "vae")
    shutil.copytree(tiny / "text_encoder", folder / "Qwen3-Embedding-0.6B")
    shutil.copytree(tiny / "tokenizer", folder / "Qwen3-Embedding-0.6B", dirs_exist_ok=True)
    shutil.copytree(tiny / "lm", folder / "acestep-5Hz-lm-1.7B")
    return folder


def write_dit(tiny: Path, folder: Path, *, num_shards: int = 1, dtype: torch.dtype = torch.float32) -> None:
    """A DiT folder: one config, one file (or shards) for four components, silence apart."""
    folder.mkdir(parents=True)
    tensors: dict[str, Tensor] = {}
    for component, prefix in COMPONENTS.items():
        for name, tensor in load_file(tiny / component / DIFFUSERS_FILE).items():
            if name == "silence_latent":
                torch.save(tensor.transpose(1, 2).contiguous().to(dtype), folder / "silence_latent.pt")
            elif name == "null_condition_emb":
                tensors[name] = tensor.to(dtype)
            else:
                tensors[prefix + original_name(name)] = tensor.to(dtype)
    save_tensors(tensors, folder, num_shards)
    (folder / "config.json").write_text(json.dumps(original_config(tiny)))


def original_name(name: str) -> str:
    """A tensor's name as ACE-Step's own model has it."""
    for ours, theirs in ATTENTION.items():
        name = name.replace(f"attn.{ours}.", f"attn.{theirs}.")
    return name.replace("proj_in_conv.", "proj_in.1.").replace("proj_out_conv.", "proj_out.1.")


def save_tensors(tensors: dict[str, Tensor], folder: Path, num_shards: int) -> None:
    if num_shards == 1:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
        return
    index: dict[str, str] = {}
    for shard in range(num_shards):
        name = f"model-{shard + 1:05}-of-{num_shards:05}.safetensors"
        part = {key: tensors[key].contiguous() for key in sorted(tensors)[shard::num_shards]}
        save_file(part, folder / name)
        index |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def original_config(tiny: Path) -> dict[str, object]:
    """One flat config, as ACE-Step's own class saves it."""
    dit, condition, tokenizer = (
        json.loads((tiny / name / "config.json").read_text())
        for name in ("transformer", "condition_encoder", "audio_tokenizer")
    )
    kept = {key: value for source in (tokenizer, condition, dit) for key, value in source.items() if key[0] != "_"}
    layer_types = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(dit["num_hidden_layers"])]
    # XL: a DiT wider than its encoders, whose sizes then have keys of their own.
    narrower = {f"encoder_{key}": condition[key] for key in WIDTHS if condition[key] != dit[key]}
    return {**kept, **narrower, "model_type": "acestep", "layer_types": layer_types, "timbre_fix_frame": 750}
