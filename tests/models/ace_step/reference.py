"""The LM's protocol once more, slow and straight from its description: no cache, no batch, full vocabulary, sorting.

Shares nothing with the engine but the checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.settings import LmSampling

SYSTEM = {
    "role": "system",
    "content": "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n",
}


class Reference:
    """A checkpoint read by transformers alone."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.end = self.tokenizer.convert_tokens_to_ids("<|im_end|>")

    def prompt(self, user: str, think: str = "") -> list[int]:
        """Ids of the chat by the checkpoint's own template, up to the assistant's open turn and `think` within it."""
        turns = [SYSTEM, {"role": "user", "content": user}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return list(self.tokenizer(text + think, add_special_tokens=False)["input_ids"])

    def codes_prompts(self, caption: str, lyrics: str, yaml: str) -> tuple[list[int], list[int]]:
        """Conditional and unconditional prompt of the codes phase."""
        user = f"# Caption\n{caption}\n\n# Lyric\n{lyrics}\n"
        cond = self.prompt(user, f"<think>\n{yaml}\n</think>\n\n")
        return cond, self.prompt("NO USER INPUT", "<think>\n\n</think>\n\n")

    def code_ids(self) -> list[int]:
        """Ids of the audio codes, found by their spelling."""
        vocabulary = self.tokenizer.get_vocab()
        return [token for text, token in sorted(vocabulary.items()) if text.startswith("<|audio_code_")]

    @torch.no_grad()
    def probabilities(self, cond: list[int], uncond: list[int], allowed: list[int], settings: LmSampling) -> Any:
        """The next token's distribution [vocabulary]: the whole chain of operations, in its order."""
        last_cond, last_uncond = (self.model(torch.tensor([ids])).logits[0, -1].float() for ids in (cond, uncond))
        logits = (
            last_uncond + settings.lm_cfg_scale * (last_cond - last_uncond) if settings.lm_cfg_scale > 1 else last_cond
        )
        masked = torch.full_like(logits, -torch.inf)
        masked[allowed] = logits[allowed]
        for token in set(cond):
            factor = settings.lm_repetition_penalty
            masked[token] = masked[token] * factor if masked[token] < 0 else masked[token] / factor
        if settings.lm_top_k > 0:
            masked[masked < masked.topk(settings.lm_top_k).values[-1]] = -torch.inf
        if 0 < settings.lm_top_p < 1:
            ordered, order = masked.sort(descending=True)
            behind = ordered.softmax(-1).cumsum(-1) > settings.lm_top_p
            masked[order[1:][behind[:-1]]] = -torch.inf
        if settings.lm_temperature <= 0:
            return torch.nn.functional.one_hot(masked.argmax(), len(masked)).float()
        return (masked / settings.lm_temperature).softmax(-1)

    def greedy(
        self,
        cond: list[int],
        uncond: list[int],
        settings: LmSampling,
        count: int,
        allowed: Callable[[list[int]], list[int]],
    ) -> list[int]:
        """The most probable tokens, one after the other, until the end or `count`."""
        written: list[int] = []
        while len(written) < count and written[-1:] != [self.end]:
            chances = self.probabilities(cond + written, uncond + written, allowed(written), settings)
            written.append(int(chances.argmax()))
        return written
