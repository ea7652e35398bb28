"""The sets' tokenizers: a byte-level BPE of their own, with Qwen3's pre-tokenisation, special tokens and chat template.

In: texts to learn merges from. Out: `tokenizer.json` and its configuration beside the models. Knows no weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from renderer.facts import KEYSCALES, LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedTokenizerBase

END_OF_TEXT = "<|endoftext|>"
IM_START = "<|im_start|>"
IM_END = "<|im_end|>"

# Splits digits one by one and keeps a space with the word behind it, as Qwen3 does.
# Source: huggingface/transformers, src/transformers/models/qwen2/tokenization_qwen2.py
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# What Qwen3's template does with the messages this protocol sends: an assistant message is split at `</think>`,
# newlines around both halves go, and a think block is always printed for the last one.
CHAT_TEMPLATE = """\
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{%- set answer = message.content %}
{%- set thought = '' %}
{%- if '</think>' in answer %}
{%- set thought = answer.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
{%- set answer = answer.split('</think>')[-1].lstrip('\\n') %}
{%- endif %}
{%- if loop.last or thought %}
{{- '<|im_start|>assistant\\n<think>\\n' + thought + '\\n</think>\\n\\n' + answer + '<|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>assistant\\n' + answer + '<|im_end|>\\n' }}
{%- endif %}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}
"""

WORDS = (
    "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n# Caption\n\n\n# Lyric\n",
    "# Instruction\nFill the audio semantic mask based on the given conditions:\n\n# Caption\n",
    "# Languages\nen\n\n# Lyric\n[Instrumental]",
    "# Metas\n- bpm: 120\n- timesignature: 4\n- keyscale: A minor\n- duration: 60 seconds\n",
    "system user assistant bpm: caption: duration: keyscale: language: timesignature: seconds",
    "[verse] [chorus] [bridge] [intro] [outro] [pre-chorus] [solo] [drop] [break] [Verse] [Chorus] [Bridge]",
    "a the of and with in on to an is for over under into slow fast warm dark bright soft loud deep",
    "vocals vocal drums bass guitar piano synth strings brass lead pad arpeggio melody rhythm beat groove",
    " de la el en y con una voz oscuro lento suave noche luz corazón canción guitarra española",
)


def protocol_texts() -> Iterator[str]:
    """What every text of the protocol is made of: frames, keys, languages."""
    yield from WORDS
    yield " " + " ".join(LANGUAGES)
    for keyscale in KEYSCALES:
        yield f"keyscale: {keyscale}\n"


def learn_bpe(texts: Sequence[str], num_merges: int) -> Tokenizer:
    """A byte-level BPE over all 256 bytes (any Unicode works) with at most `num_merges` merges from `texts`."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=len(alphabet) + num_merges, min_frequency=1, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def text_tokenizer(bpe: Tokenizer) -> PreTrainedTokenizerBase:
    """The text encoder's tokenizer: like Qwen3-Embedding's it ends every text with `<|endoftext|>` of its own."""
    tokenizer = _with_controls(bpe)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END_OF_TEXT}",
        pair=f"$A {END_OF_TEXT} $B {END_OF_TEXT}",
        special_tokens=[(END_OF_TEXT, tokenizer.token_to_id(END_OF_TEXT))],
    )
    return _pretrained(tokenizer, eos_token=END_OF_TEXT, padding_side="right")


def lm_tokenizer(bpe: Tokenizer, num_codes: int) -> PreTrainedTokenizerBase:
    """The LM's tokenizer: the same BPE, think tags, then one token a code, contiguous as in ACE-Step's."""
    tokenizer = _with_controls(bpe)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<think>", "</think>")])
    codes = [AddedToken(f"<|audio_code_{code}|>", special=True, normalized=False) for code in range(num_codes)]
    tokenizer.add_special_tokens(codes)
    pretrained = _pretrained(tokenizer, eos_token=IM_END, padding_side="left")
    pretrained.chat_template = CHAT_TEMPLATE
    return pretrained


def _with_controls(bpe: Tokenizer) -> Tokenizer:
    """A copy of `bpe` with the three control tokens behind its vocabulary."""
    tokenizer = Tokenizer.from_str(bpe.to_str())
    controls = (END_OF_TEXT, IM_START, IM_END)
    tokenizer.add_special_tokens([AddedToken(control, special=True, normalized=False) for control in controls])
    return tokenizer


def _pretrained(tokenizer: Tokenizer, *, eos_token: str, padding_side: str) -> PreTrainedTokenizerBase:
    from transformers import PreTrainedTokenizerFast

    pretrained: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=eos_token,
        pad_token=END_OF_TEXT,
        padding_side=padding_side,
        clean_up_tokenization_spaces=False,
        model_max_length=32_768,
    )
    return pretrained
