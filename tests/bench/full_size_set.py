"""A model set of the published sizes with random weights, in the original layout: costs what the real one costs.

`python -m tests.bench.full_size_set FOLDER` writes the bundle (2B turbo DiT, VAE, text encoder, 1.7B LM), 10 GB;
`--size small` one of the same layout and protocol for a rehearsal on a CPU.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, processors

from tests.mini_factory.vocabulary import CHAT_TEMPLATE, learn_bpe, protocol_texts
from tests.models.ace_step.layouts import COMPONENTS, original_name

TEXT_VOCABULARY = 151_643  # what Qwen's BPE holds; control tokens follow
LM_WIDTH = 217_204
NUM_CODE_TOKENS = 65_535
LEVELS = [8, 8, 8, 5, 5, 5]
THINK = 151_667
SHARPNESS = 32.0
"""Of the DiT's cross-attention: at 1, random weights attend evenly, and no head tells when lyrics are sung."""
DIT_FOLDER, TEXT_FOLDER, LM_FOLDER = "acestep-v15-turbo", "Qwen3-Embedding-0.6B", "acestep-5Hz-lm-1.7B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Widths that differ between the published set and the rehearsal."""

    dit: dict[str, Any]
    condition: dict[str, Any]
    pair: dict[str, Any]
    text: dict[str, Any]
    lm: dict[str, Any]
    vae: dict[str, Any]


HEADS = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
SMALL_BLOCK = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
SIZES = {
    # The classes' own defaults are the published 2B set.
    "full": Sizes(
        dit={},
        condition={},
        pair={},
        text={"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, **HEADS},
        lm={"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, **HEADS},
        vae={},
    ),
    "small": Sizes(
        dit={**SMALL_BLOCK, "num_hidden_layers": 2, "encoder_hidden_size": 64},
        condition={
            **SMALL_BLOCK,
            "text_hidden_dim": 64,
            "num_lyric_encoder_hidden_layers": 2,
            "num_timbre_encoder_hidden_layers": 1,
        },
        pair={**SMALL_BLOCK, "num_attention_pooler_hidden_layers": 1},
        text={**SMALL_BLOCK, "num_hidden_layers": 2},
        lm={**SMALL_BLOCK, "num_hidden_layers": 2},
        vae={"encoder_hidden_size": 128, "decoder_channels": 4, "channel_multiples": [1, 1, 1, 1, 1]},
    ),
}


def write_set(folder: Path, size: str, device: str) -> None:
    """The whole bundle, bfloat16, drawn on `device`."""
    sizes = SIZES[size]
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
            write_dit(folder / DIT_FOLDER, sizes)
            write_vae(folder / "vae", sizes)
            write_qwen(folder / TEXT_FOLDER, sizes.text, vocab_size=THINK + 2, head=False)
            write_qwen(folder / LM_FOLDER, sizes.lm, vocab_size=LM_WIDTH, head=True)
    finally:
        torch.set_default_dtype(torch.float32)
    write_tokenizers(folder)


def write_dit(folder: Path, sizes: Sizes) -> None:
    """Four components in one file, as published."""
    from diffusers import AceStepTransformer1DModel
    from diffusers.pipelines.ace_step import (
        AceStepAudioTokenDetokenizer,
        AceStepAudioTokenizer,
        AceStepConditionEncoder,
    )

    pair = dict(sizes.pair)
    modules = {
        "transformer": AceStepTransformer1DModel(**sizes.dit, is_turbo=True, model_version="turbo"),
        "condition_encoder": AceStepConditionEncoder(**sizes.condition),
        "audio_tokenizer": AceStepAudioTokenizer(
            **pair, fsq_dim=pair.get("hidden_size", 2048), fsq_input_levels=LEVELS
        ),
        "audio_token_detokenizer": AceStepAudioTokenDetokenizer(**pair),
    }
    tensors = {}
    config: dict[str, Any] = {}
    for component, module in reversed(modules.items()):
        config |= {key: value for key, value in module.config.items() if key[0] != "_"}
        for name, tensor in module.state_dict().items():
            if name == "null_condition_emb":
                tensors[name] = tensor
            elif "cross_attn.norm_" in name:
                tensors[COMPONENTS[component] + original_name(name)] = SHARPNESS * tensor
            elif name != "silence_latent":
                tensors[COMPONENTS[component] + original_name(name)] = tensor
    folder.mkdir(parents=True)
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    silence = modules["condition_encoder"].silence_latent
    torch.save(torch.randn(silence.transpose(1, 2).shape).cpu(), folder / "silence_latent.pt")
    layers = ["full_attention" if layer % 2 else "sliding_attention" for layer in range(config["num_hidden_layers"])]
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "acestep", "layer_types": layers}))


def write_vae(folder: Path, sizes: Sizes) -> None:
    """The 48 kHz autoencoder."""
    from diffusers import AutoencoderOobleck

    AutoencoderOobleck(downsampling_ratios=[2, 4, 4, 6, 10], sampling_rate=48_000, **sizes.vae).save_pretrained(folder)


def write_qwen(folder: Path, width: dict[str, Any], *, vocab_size: int, head: bool) -> None:
    """A Qwen3, bare or with its embeddings as the head."""
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    config = Qwen3Config(
        **width,
        vocab_size=vocab_size,
        tie_word_embeddings=True,
        max_position_embeddings=40_960,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        dtype="bfloat16",
    )
    (Qwen3ForCausalLM if head else Qwen3Model)(config).save_pretrained(folder)


def write_tokenizers(folder: Path) -> None:
    """Tokenizers whose ids are the published ones: a small BPE, padded with entries no text reaches."""
    base = json.loads(learn_bpe(tuple(protocol_texts()), 2_000).to_str())
    vocabulary = base["model"]["vocab"]
    base["model"]["vocab"] = vocabulary | {f"¶{i}¶": i for i in range(len(vocabulary), TEXT_VOCABULARY)}
    text = Tokenizer.from_str(json.dumps(base))
    controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    reserved = [f"<|reserved_{i}|>" for i in range(TEXT_VOCABULARY + len(controls), THINK)]
    text.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (*controls, *reserved)])
    text.add_tokens([AddedToken(token, special=False, normalized=False) for token in ("<think>", "</think>")])
    lm = Tokenizer.from_str(text.to_str())
    lm.add_special_tokens(
        [AddedToken(f"<|audio_code_{code}|>", special=True, normalized=False) for code in range(NUM_CODE_TOKENS)]
    )
    text.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", TEXT_VOCABULARY)]
    )
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
    }
    for name, tokenizer, end in ((TEXT_FOLDER, text, "<|endoftext|>"), (LM_FOLDER, lm, "<|im_end|>")):
        tokenizer.save(str(folder / name / "tokenizer.json"), pretty=False)
        (folder / name / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": end}))
    (folder / LM_FOLDER / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked = parser.parse_args()
    began = time.perf_counter()
    write_set(asked.folder, asked.size, asked.device)
    written = sum(path.stat().st_size for path in asked.folder.rglob("*") if path.is_file())
    print(f"{written / 1e9:.2f} GB in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
