"""Builds a model set of the real classes with random weights from a fixed seed.

In: a folder and a size. Out: the diffusers layout plus `lm/`, as `from_pretrained` reads it. Knows no training.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from renderer.facts import SAMPLE_RATE, SILENCE_FRAMES
from tests.mini_factory.aligned import align_file
from tests.mini_factory.sizes import CODEBOOK_LEVELS, SIZES, VAE_RATIOS
from tests.mini_factory.vocabulary import (
    END_OF_TEXT,
    IM_END,
    learn_bpe,
    lm_tokenizer,
    protocol_texts,
    text_tokenizer,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.mini_factory.sizes import Size, Width

LOGIT_MULTIPLE = 64  # the LM's logits are wider than its tokenizer, as the published ones are


def build_set(folder: Path, size: str, seed: int = 0, texts: Sequence[str] = ()) -> None:
    """Write the model set `size` (a name of `SIZES`) into `folder`, float32; its BPE learns from `texts` too.

    The same seed, texts and library versions give the same bytes.
    """
    dimensions = SIZES[size]
    bpe = learn_bpe((*protocol_texts(), *texts), dimensions.num_merges)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # weight_norm's old spelling is what diffusers' Oobleck uses, and its checkpoints' key names depend on it.
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        torch.manual_seed(seed)
        text = text_tokenizer(bpe)
        make_pipeline(dimensions, text).save_pretrained(folder)
        codes = lm_tokenizer(bpe, dimensions.num_codes)
        make_lm(dimensions, codes).save_pretrained(folder / "lm")
        codes.save_pretrained(folder / "lm")
    for path in sorted(folder.rglob("*.safetensors")):
        align_file(path)


def make_pipeline(size: Size, tokenizer: Any) -> Any:
    """The diffusers pipeline with every part but the LM, freshly drawn."""
    from diffusers import AceStepPipeline, FlowMatchEulerDiscreteScheduler

    return AceStepPipeline(
        vae=make_vae(size),
        text_encoder=make_text_encoder(size, tokenizer),
        tokenizer=tokenizer,
        transformer=make_dit(size),
        condition_encoder=make_condition_encoder(size),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        audio_tokenizer=make_audio_tokenizer(size),
        audio_token_detokenizer=make_detokenizer(size),
    )


def make_vae(size: Size) -> Any:
    """The autoencoder; only its decoder has a part in rendering."""
    from diffusers import AutoencoderOobleck

    return AutoencoderOobleck(
        encoder_hidden_size=size.vae.encoder_channels,
        downsampling_ratios=list(VAE_RATIOS),
        channel_multiples=list(size.vae.multiples),
        decoder_channels=size.vae.decoder_channels,
        decoder_input_channels=size.latent_channels,
        audio_channels=2,
        sampling_rate=SAMPLE_RATE,
    ).eval()


def make_text_encoder(size: Size, tokenizer: Any) -> Any:
    """A small Qwen3 without a head; its embedding table serves the lyrics too."""
    from transformers import Qwen3Config, Qwen3Model

    end_of_text = tokenizer.convert_tokens_to_ids(END_OF_TEXT)
    return Qwen3Model(
        Qwen3Config(
            **_qwen3_width(size.text),
            vocab_size=len(tokenizer),
            bos_token_id=end_of_text,
            eos_token_id=end_of_text,
            pad_token_id=end_of_text,
        )
    ).eval()


def make_lm(size: Size, tokenizer: Any) -> Any:
    """The 5 Hz LM: Qwen3 with its embeddings as the head, drawn wide enough that its logits differ."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    model = Qwen3ForCausalLM(
        Qwen3Config(
            **_qwen3_width(size.lm),
            vocab_size=-(-len(tokenizer) // LOGIT_MULTIPLE) * LOGIT_MULTIPLE,
            bos_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
            eos_token_id=tokenizer.convert_tokens_to_ids(IM_END),
            pad_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
            tie_word_embeddings=True,
            initializer_range=2.0 / size.lm.hidden**0.5,
        )
    )
    return model.eval()


def make_condition_encoder(size: Size) -> Any:
    """The condition encoder with noise for the silence latent, so that a test can see it used."""
    from diffusers.pipelines.ace_step import AceStepConditionEncoder

    encoder = AceStepConditionEncoder(
        **_block_width(size.condition),
        text_hidden_dim=size.text.hidden,
        timbre_hidden_dim=size.latent_channels,
        num_lyric_encoder_hidden_layers=size.condition.layers,
        num_timbre_encoder_hidden_layers=size.timbre_layers,
        sliding_window=size.sliding_window,
    ).eval()
    encoder.silence_latent.copy_(torch.randn(1, SILENCE_FRAMES, size.latent_channels))
    return encoder


def make_dit(size: Size) -> Any:
    """The turbo DiT."""
    from diffusers import AceStepTransformer1DModel

    return AceStepTransformer1DModel(
        **_block_width(size.dit),
        num_hidden_layers=size.dit.layers,
        in_channels=3 * size.latent_channels,
        audio_acoustic_hidden_dim=size.latent_channels,
        encoder_hidden_size=size.condition.hidden,
        sliding_window=size.sliding_window,
        is_turbo=True,
        model_version="turbo",
    ).eval()


def make_audio_tokenizer(size: Size) -> Any:
    """Latents to codes: five frames a code."""
    from diffusers.pipelines.ace_step import AceStepAudioTokenizer

    return AceStepAudioTokenizer(
        **_block_width(size.pair),
        audio_acoustic_hidden_dim=size.latent_channels,
        fsq_dim=size.pair.hidden,
        fsq_input_levels=list(CODEBOOK_LEVELS),
        num_attention_pooler_hidden_layers=size.pair.layers,
        sliding_window=size.sliding_window,
    ).eval()


def make_detokenizer(size: Size) -> Any:
    """Codes to the DiT's hint."""
    from diffusers.pipelines.ace_step import AceStepAudioTokenDetokenizer

    return AceStepAudioTokenDetokenizer(
        **_block_width(size.pair),
        audio_acoustic_hidden_dim=size.latent_channels,
        num_attention_pooler_hidden_layers=size.pair.layers,
        sliding_window=size.sliding_window,
    ).eval()


def _block_width(width: Width) -> dict[str, int]:
    """A width in diffusers' words."""
    return {
        "hidden_size": width.hidden,
        "intermediate_size": width.intermediate,
        "num_attention_heads": width.heads,
        "num_key_value_heads": width.kv_heads,
        "head_dim": width.head_dim,
    }


def _qwen3_width(width: Width) -> dict[str, Any]:
    """A width in transformers' words, with ACE-Step's rotary base."""
    return {
        **_block_width(width),
        "num_hidden_layers": width.layers,
        "max_position_embeddings": 32_768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
    }


if __name__ == "__main__":
    build_set(Path(sys.argv[1]), sys.argv[2])
