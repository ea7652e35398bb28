"""The exact texts the LM and the DiT were trained on: caption, lyrics and metas in, prompts out.

Knows neither tokens nor models; light enough for `show` and the lints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renderer.facts import LM_INSTRUCTION, NO_NEGATIVE_PROMPT, UNDERSTAND_INSTRUCTION

if TYPE_CHECKING:
    from renderer.models.ace_step.protocol.metas import DecidedMetas

DEFAULT_DURATION_TEXT = "30 seconds"
"""What the DiT reads when nobody said a duration."""

_SYSTEM = f"<|im_start|>system\n# Instruction\n{LM_INSTRUCTION}\n\n<|im_end|>\n"
_UNDERSTAND = f"<|im_start|>system\n# Instruction\n{UNDERSTAND_INSTRUCTION}\n\n<|im_end|>\n"
_ASSISTANT = "<|im_start|>assistant\n"


def cot_prompt(caption: str, lyrics: str) -> str:
    """What the LM continues with its chain of thought.

    Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py
    """
    user = _user(f"# Caption\n{caption}\n\n# Lyric\n{lyrics}\n")
    return f"{_SYSTEM}{user}{_ASSISTANT}"


def codes_prompt(caption: str, lyrics: str, yaml: str) -> str:
    """What the LM continues with audio codes: its own turn, still open behind the finished think block.

    `caption` is the user's own even when the chain of thought rewrote it; the rewritten one stands in `yaml`.
    """
    # In training the codes followed the think block inside one assistant turn; behind a closed one none was ever seen.
    return cot_prompt(caption, lyrics) + _think(yaml)


def codes_negative_prompt(negative_prompt: str) -> str:
    """The unconditional row of the codes: the bare negative prompt for the user's words, an empty think block.

    Training dropped the whole condition, lyrics too, so that guidance pulls towards caption, lyrics and metas.
    """
    said = negative_prompt if is_negative_prompt(negative_prompt) else NO_NEGATIVE_PROMPT
    return f"{_SYSTEM}{_user(said)}{_ASSISTANT}{_think('')}"


def understanding_prompt(codes: str = NO_NEGATIVE_PROMPT) -> str:
    """What the LM continues with what it hears in codes, spelled as its tokens; without any, with what it expects.

    Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py
    """
    return f"{_UNDERSTAND}{_user(codes)}{_ASSISTANT}"


def is_negative_prompt(text: str) -> bool:
    """Whether the text says something: neither blank nor upstream's placeholder."""
    return text.strip() not in {"", NO_NEGATIVE_PROMPT}


def dit_text_prompt(metas: DecidedMetas, *, instruction: str) -> str:
    """The DiT's text prompt.

    Source: ace-step/ACE-Step-1.5, acestep/handler.py
    """
    duration = DEFAULT_DURATION_TEXT if metas.duration is None else f"{int(metas.duration)} seconds"
    lines = (
        f"- bpm: {metas.bpm or 'N/A'}\n"
        f"- timesignature: {metas.timesignature or 'N/A'}\n"
        f"- keyscale: {metas.keyscale or 'N/A'}\n"
        f"- duration: {duration}\n"
    )
    return f"# Instruction\n{instruction}\n\n# Caption\n{metas.caption}\n\n# Metas\n{lines}<|endoftext|>\n"


def dit_lyric_prompt(lyrics: str, language: str) -> str:
    """The DiT's lyric prompt; empty lyrics stay empty."""
    return f"# Languages\n{language}\n\n# Lyric\n{lyrics}<|endoftext|>"


def _user(content: str) -> str:
    return f"<|im_start|>user\n{content}<|im_end|>\n"


def _think(yaml: str) -> str:
    return f"<think>\n{yaml}\n</think>\n\n"
