"""The smallest recogniser of the real formats: a random Whisper of transformers', converted as a user converts one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WORDS = (
    *("rain", "fire", "night", "slowly", "walk", "corner", "calling", "nobody", "river", "stone", "light", "heart"),
    *("over", "under", "again", "morning", "window", "summer", "silver", "shadow", "wonder", "story", "golden", "road"),
)
LANGUAGES = ("en", "es", "he", "zh")
SIGNS = ("\u0120", "-", "'", "\u00e2")  # a space, and the first byte of a musical note
NUM_TIMES = 1501  # every 20 ms of 30 s


def build_whisper(folder: Path, *, languages: tuple[str, ...] = LANGUAGES, bands: int = 80) -> None:
    """A folder as `ct2-transformers-converter` makes it; English alone where no languages are named."""
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    # Of a multilingual vocabulary an empty word tells; by the single signs faster-whisper looks up what isn't speech.
    texts = [*[""][: len(languages)], *SIGNS, *map("\u0120{}".format, WORDS)]
    special = [
        *("<|endoftext|>", "<|startoftranscript|>", *(f"<|{one}|>" for one in languages)),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
    ]
    ids = {token: place for place, token in enumerate((*texts, *special))}
    source = folder.with_name(f"{folder.name}-source")
    _write_tokenizer(source, ids, special)
    config = WhisperConfig(
        vocab_size=len(ids) + NUM_TIMES,
        num_mel_bins=bands,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        init_std=0.6,
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)  # one that says much
        model = WhisperForConditionalGeneration(config)
    model.generation_config._from_model_config = False  # else what follows is lost when it is read
    model.generation_config.suppress_tokens = []
    model.generation_config.begin_suppress_tokens = []
    model.generation_config.alignment_heads = [[1, 0], [1, 1]]
    model.generation_config.lang_to_id = {f"<|{one}|>": ids[f"<|{one}|>"] for one in languages}
    model.save_pretrained(source)
    (source / "preprocessor_config.json").write_text(json.dumps({"feature_size": bands}), "utf-8")
    TransformersConverter(str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]).convert(str(folder))


def _write_tokenizer(folder: Path, ids: dict[str, int], special: list[str]) -> None:
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    folder.mkdir()
    tokenizer = Tokenizer(BPE(vocab=ids, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")
