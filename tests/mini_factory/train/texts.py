"""A piece as texts: the LM's sequences and the DiT's prompts, by the same functions that rendering uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.artifacts import CotMetas
from renderer.facts import CODES_INSTRUCTION, NO_NEGATIVE_PROMPT, TASK_INSTRUCTIONS, TEXT2MUSIC_INSTRUCTION
from renderer.models.ace_step.protocol.metas import DecidedMetas, think_yaml
from renderer.models.ace_step.protocol.prompt import (
    codes_negative_prompt,
    codes_prompt,
    cot_prompt,
    dit_lyric_prompt,
    dit_text_prompt,
)

if TYPE_CHECKING:
    import numpy as np

    from tests.mini_factory.composer.song import Piece

EMPTY_SHARE = 0.15
"""How often guidance's unconditional row is what the LM sees."""
METAS_ONLY_SHARE = 0.3
"""How often the think block holds only what a user may give, so neither caption nor language."""
RETOLD_SHARE = 0.6
"""How often the DiT reads the chain of thought's caption and not the user's."""
MISSING_SHARE = 0.05
"""How often the DiT is not told a meta."""
MISSING_IN_EDITS_SHARE = 0.35
"""The same of an edit: specs often leave them to the chain of thought, which edits have none of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One sequence for the LM: what it reads and what it must write."""

    prompt: str
    answer: str
    """Without the audio codes, which follow it where `with_codes`."""
    with_codes: bool


def cot_of(piece: Piece) -> CotMetas:
    """The chain of thought that describes the piece."""
    return CotMetas(
        bpm=piece.bpm,
        caption=piece.retold,
        duration=piece.duration,
        keyscale=piece.keyscale,
        language=piece.language,
        timesignature=piece.timesignature,
    )


def cot_lesson(piece: Piece) -> Lesson:
    """Caption and lyrics in, the think block out; never without them, as it is written without guidance."""
    return Lesson(
        prompt=cot_prompt(piece.caption, piece.lyrics),
        answer=f"<think>\n{think_yaml(cot_of(piece))}\n",
        with_codes=False,
    )


def codes_lesson(piece: Piece, rng: np.random.Generator) -> Lesson:
    """Caption, lyrics and think block in, codes out; in some all of them are dropped, as guidance drops them."""
    if rng.random() < EMPTY_SHARE:
        return Lesson(prompt=codes_negative_prompt(NO_NEGATIVE_PROMPT), answer="", with_codes=True)
    cot = cot_of(piece)
    if rng.random() < METAS_ONLY_SHARE:
        cot = CotMetas(bpm=cot.bpm, duration=cot.duration, keyscale=cot.keyscale, timesignature=cot.timesignature)
    return Lesson(prompt=codes_prompt(piece.caption, piece.lyrics, think_yaml(cot)), answer="", with_codes=True)


def dit_texts(piece: Piece, rng: np.random.Generator, *, with_codes: bool) -> tuple[str, str]:
    """(text prompt, lyric prompt) of the DiT."""
    return instructed(piece, rng, CODES_INSTRUCTION if with_codes else TEXT2MUSIC_INSTRUCTION, MISSING_SHARE)


def edit_texts(piece: Piece, rng: np.random.Generator, task: str) -> tuple[str, str]:
    """The same of an edit, to which no chain of thought adds metas."""
    return instructed(piece, rng, TASK_INSTRUCTIONS[task], MISSING_IN_EDITS_SHARE)


def instructed(piece: Piece, rng: np.random.Generator, instruction: str, missing_share: float) -> tuple[str, str]:
    """(text prompt, lyric prompt) with this instruction."""

    def told(value: object) -> bool:
        return value is not None and rng.random() >= missing_share

    metas = DecidedMetas(
        caption=piece.retold if rng.random() < RETOLD_SHARE else piece.caption,
        language=piece.language,
        bpm=piece.bpm if told(piece.bpm) else None,
        keyscale=piece.keyscale if told(piece.keyscale) else None,
        timesignature=piece.timesignature if told(piece.timesignature) else None,
        duration=piece.duration,
    )
    return dit_text_prompt(metas, instruction=instruction), dit_lyric_prompt(piece.lyrics, piece.language)
