"""A song -> how many tokens the DiT's prompts have, counted by the tokenizer of its model where that is on disk."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.facts import CODES_INSTRUCTION, TEXT2MUSIC_INSTRUCTION
from renderer.models.ace_step.protocol.names import TOKENIZER

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from renderer.song import Song

# What the LM may decide, for metas that the spec leaves open: prompts are counted as long as they will be.
_BPM, _KEYSCALE, _TIMESIGNATURE, _DURATION = 120, "C# minor", "4", 120.0


def count_prompts(song: Song) -> tuple[int, int] | None:
    """Tokens of the text prompt and of the lyric prompt; None where the tokenizer isn't on disk, or can't be read."""
    from renderer.models.ace_step.protocol.metas import DecidedMetas  # noqa: PLC0415 - only where lengths come near the limit
    from renderer.models.ace_step.protocol.prompt import (  # noqa: PLC0415 - as above
        dit_lyric_prompt,
        dit_text_prompt,
    )

    tokenizer = _tokenizer(song.variants[0].trained_as)
    if tokenizer is None:
        return None
    metas = DecidedMetas(
        caption=song.caption,
        language=song.metas.vocal_language or "unknown",
        bpm=song.metas.bpm or _BPM,
        keyscale=song.metas.keyscale or _KEYSCALE,
        timesignature=song.metas.timesignature or _TIMESIGNATURE,
        duration=song.metas.duration or _DURATION,
    )
    with_codes = song.variants[0].inference.thinking
    texts = (
        dit_text_prompt(metas, instruction=CODES_INSTRUCTION if with_codes else TEXT2MUSIC_INSTRUCTION),
        dit_lyric_prompt(song.lyrics, metas.language),
    )
    text, lyrics = (len(tokenizer.encode(text).ids) for text in texts)
    return text, lyrics


@cache
def _tokenizer(model: str) -> Tokenizer | None:
    """The tokenizer of a model's text encoder: a known name's, or a folder's."""
    from renderer.models.ace_step.protocol.tokens import read_tokenizer  # noqa: PLC0415 - as above

    try:
        folder = _text_encoder(model)
        places = [folder / "tokenizer", folder] if folder else []
        found = next((place for place in places if (place / TOKENIZER).is_file()), None)
        return read_tokenizer(found) if found else None
    except (ModelError, OSError):  # what is wrong with the model is for `plan` to tell
        return None


def _text_encoder(model: str) -> Path | None:
    from renderer.models.catalog import hub, layouts, zoo  # noqa: PLC0415 - as above

    if model == zoo.MINI:
        return zoo.MINI_FOLDER
    if known := zoo.MODELS.get(model):
        return hub.find(known.text_encoder)
    return Path(layouts.read_model(Path(model)).text_encoder) if Path(model).is_dir() else None
