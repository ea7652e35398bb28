"""What LM and DiT are sent for a take, text by text, as far as it is known before it renders. No torch.

What the LM has yet to decide is marked; what it decided is taken from the store.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.artifacts import Codes, Cot, CotMetas
from renderer.facts import MAX_LYRIC_TOKENS, MAX_TEXT_TOKENS
from renderer.models.ace_step.protocol.dit_prompt import (
    make_dit_prompt,
    make_edit_prompt,
    morph_source_prompt,
    text2music_prompt,
)
from renderer.models.ace_step.protocol.edit_preview import edit_text, source_frames
from renderer.models.ace_step.protocol.metas import think_yaml, user_metas_as_cot
from renderer.models.ace_step.protocol.names import CODES, COT, LATENTS, TOKENIZER
from renderer.models.ace_step.protocol.prompt import codes_negative_prompt, codes_prompt, cot_prompt
from renderer.models.ace_step.protocol.stage_requests import ask_codes, ask_cot, ask_latents, take_context
from renderer.models.take_requests import PromptText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenizers import Tokenizer

    from renderer.models.ace_step.protocol.requests import CodesRequest, EditRequest, LatentsRequest
    from renderer.models.ace_step.protocol.stage_requests import TakeContext
    from renderer.models.catalog.zoo import ModelFacts
    from renderer.models.model_files import ModelFiles
    from renderer.plan.jobs import TakePlan
    from renderer.store.store import Store

UNDECIDED = "‹the LM decides›"
_MOST_TOKENS = {"text prompt": MAX_TEXT_TOKENS, "lyric prompt": MAX_LYRIC_TOKENS}
"""By what a prompt's name ends in."""


def prompts(plan: TakePlan, facts: ModelFacts, store: Store, preview: float | None) -> tuple[PromptText, ...]:
    """Every text of a take, in the order of the stages."""
    context, cot = _context(plan, facts, preview), _decided(plan, store)
    frames = _source_frames(context, plan, store)
    told = _edit_told(context, plan, store)
    return (
        tuple(
            PromptText(
                stage=stage,
                name=name,
                text=text,
                num_tokens=_count(text, tokenizer_file(plan.files, stage)),
                max_tokens=_most_tokens(name),
            )
            for stage, name, text in _texts(context, cot, frames)
        )
        + told
    )


def cut_off(plan: TakePlan, facts: ModelFacts, store: Store, preview: float | None) -> Iterator[tuple[str, int, int]]:
    """The DiT's prompts that are longer than it reads: name, tokens, and how many it reads.

    Nothing where the tokenizer isn't on disk or the LM has yet to decide the text.
    """
    context, cot = _context(plan, facts, preview), _decided(plan, store)
    # Where a chain of thought is to come it decides a meta, and with the language each prompt waits for it.
    if cot is None and "language" in _open_fields(context):
        return
    tokenizer = tokenizer_file(plan.files, LATENTS)
    for name, text in _dit_prompts(context, cot, _source_frames(context, plan, store)):
        count, limit = _count(text, tokenizer), _most_tokens(name)
        if count is not None and limit is not None and count > limit:
            yield name, count, limit


def _context(plan: TakePlan, facts: ModelFacts, preview: float | None) -> TakeContext:
    return take_context(plan.take, facts, preview, others={one.name: one for one in plan.take.sources})


def _source_frames(context: TakeContext, plan: TakePlan, store: Store) -> int | None:
    edit = context.take.variant.edit
    return None if edit is None else source_frames(context, edit, plan, store)


def _edit_told(context: TakeContext, plan: TakePlan, store: Store) -> tuple[PromptText, ...]:
    """What else is told to the DiT of an edit: its windows, masks and strengths."""
    request = ask_latents(context)
    if request.edit is None:
        return ()
    text = edit_text(context, request, plan, store)
    return (PromptText(stage=LATENTS, name="edit", text=text, num_tokens=None),)


def _most_tokens(name: str) -> int | None:
    return next((most for one, most in _MOST_TOKENS.items() if name.endswith(one)), None)


def tokenizer_file(files: ModelFiles, stage: str) -> Path | None:
    """The tokenizer that reads a stage's texts, when it is on disk."""
    if stage in {COT, CODES}:
        places = [Path(files.lm) / TOKENIZER] if files.lm else []
    else:
        folder = Path(files.text_encoder)
        places = [folder / "tokenizer" / TOKENIZER, folder / TOKENIZER]
    return next((place for place in places if place.is_file()), None)


def _texts(context: TakeContext, cot: Cot | None, frames: int | None) -> Iterator[tuple[str, str, str]]:
    if (asked := ask_cot(context)) is not None:
        yield COT, "prompt", cot_prompt(asked.caption, asked.lyrics)
    if (codes := ask_codes(context)) is not None:
        yield CODES, "prompt", codes_prompt(codes.caption, codes.lyrics, _yaml(codes, context, cot))
        if codes.guided:
            yield CODES, "negative prompt", codes_negative_prompt(codes.lm_negative_prompt)
    for name, text in _dit_prompts(context, cot, frames):
        yield LATENTS, name, text


def _yaml(codes: CodesRequest, context: TakeContext, cot: Cot | None) -> str:
    """The think block of the codes prompt; the fields stand in alphabetical order, so each can be written alone."""
    if cot is not None:
        return think_yaml(cot.metas)
    given = user_metas_as_cot(codes.metas)
    open_fields = _open_fields(context)
    rows = [
        think_yaml(CotMetas(**{name: value})) if value is not None else f"{name}: {UNDECIDED}"
        for name, value in sorted(asdict(given).items())
        if value is not None or name in open_fields
    ]
    return "\n".join(rows)


def _open_fields(context: TakeContext) -> frozenset[str]:
    """What the chain of thought has yet to decide."""
    asked = ask_cot(context)
    if asked is None:
        return frozenset()
    names = {one.name for one in fields(asked.metas) if getattr(asked.metas, one.name) is None}
    names |= {"caption"} if asked.use_cot_caption else set()
    return frozenset(names | ({"language"} if asked.use_cot_language else set()))


def _dit_prompts(context: TakeContext, cot: Cot | None, frames: int | None) -> Iterator[tuple[str, str]]:
    """Names and texts; `frames` are those of an edit's source, None where they aren't decided."""
    request = ask_latents(context)
    if request.edit is not None:
        yield from _edit_prompts(request, request.edit, frames)
        return
    if context.runs_cot and cot is None:
        text, lyrics = _undecided_prompts(request, context)
    else:
        dit_prompt = make_dit_prompt(request, cot, _no_codes(context))
        text, lyrics = dit_prompt.text, dit_prompt.lyrics
    yield "text prompt", text
    yield "lyric prompt", lyrics


def _edit_prompts(request: LatentsRequest, edit: EditRequest, frames: int | None) -> Iterator[tuple[str, str]]:
    """Those of the edit itself, and what is followed beside, or behind it."""
    prompt = make_edit_prompt(request, edit, frames or 0)
    texts = {"text prompt": prompt.text, "lyric prompt": prompt.lyrics}
    if edit.task == "morph":
        names = ("source text prompt", "source lyric prompt")
        texts |= dict(zip(names, morph_source_prompt(edit, prompt), strict=True))
    elif edit.audio_cover_strength < 1.0:
        texts["later text prompt"] = text2music_prompt(prompt.metas)
    undecided = f"- duration: {int(prompt.metas.duration or 0)} seconds", f"- duration: {UNDECIDED}"
    for name, text in texts.items():
        known = frames is not None or request.metas.duration is not None
        yield name, text if known else text.replace(*undecided)


def _undecided_prompts(request: LatentsRequest, context: TakeContext) -> tuple[str, str]:
    open_fields = _open_fields(context)
    said = Cot(
        text="",
        metas=CotMetas(
            caption=UNDECIDED if "caption" in open_fields else None,
            language=UNDECIDED if "language" in open_fields else None,
        ),
    )
    dit_prompt = make_dit_prompt(request, said, _no_codes(context))
    # The metas are the last lines of the prompt; what nobody said yet stands there as what upstream writes for nothing.
    caption, heading, metas = dit_prompt.text.rpartition("# Metas\n")
    lines = [
        f"- {name}: {UNDECIDED}" if (name := line[2:].partition(":")[0]) in open_fields else line
        for line in metas.split("\n")
    ]
    return caption + heading + "\n".join(lines), dit_prompt.lyrics


def _no_codes(context: TakeContext) -> Codes | None:
    """Stands for codes that are still to be written: the prompts only ask whether there are any."""
    import numpy as np  # noqa: PLC0415 - only to show

    return None if ask_codes(context) is None else Codes(codes=np.zeros(0, dtype=np.int32))


def _decided(plan: TakePlan, store: Store) -> Cot | None:
    key = plan.keys.get(COT)
    if key is None:
        return next((one for one in plan.pinned.values() if isinstance(one, Cot)), None)
    found = plan.pinned.get(key) or (store.get(COT, key) if store.has(COT, key) else None)
    return found if isinstance(found, Cot) else None


def _count(text: str, tokenizer: Path | None) -> int | None:
    if tokenizer is None or UNDECIDED in text:
        return None
    return len(_tokenizer(tokenizer).encode(text).ids)


@cache
def _tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer  # noqa: PLC0415 - only where something is counted

    return Tokenizer.from_file(str(path))
