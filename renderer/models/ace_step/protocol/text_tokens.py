"""The text encoder's tokenizer: prompts to ids, one at a time, ended and cut as in training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from renderer.errors import ModelError
from renderer.facts import TEXT2MUSIC_INSTRUCTION
from renderer.files import size_and_times
from renderer.models.ace_step.protocol.names import TOKENIZER
from renderer.models.ace_step.protocol.prompt import dit_lyric_prompt
from renderer.models.ace_step.protocol.tokens import read_tokenizer
from renderer.models.catalog import layouts
from renderer.models.catalog.regular_file import FETCH_AGAIN

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from renderer.models.model_files import ModelFiles

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class TextTokens:
    """The vocabulary of texts, which adds an end of its own behind each."""

    tokenizer: Tokenizer

    def ids(self, text: str, limit: int | None = None) -> list[int]:
        """Ids with the tokenizer's own end; of a text longer than `limit` its beginning and that end."""
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        if limit is not None:
            encoded.truncate(limit - self.tokenizer.num_special_tokens_to_add(is_pair=False))
        return self.tokenizer.post_process(encoded).ids


def load_text_tokens(files: ModelFiles) -> TextTokens:
    """The tokenizer beside a model set's text encoder.

    Raises: ModelError when it is missing, broken, or doesn't end texts as in training.
    """
    folder = Path(files.text_encoder)
    if files.layout == layouts.DIFFUSERS:
        folder /= "tokenizer"
    if not (folder / TOKENIZER).is_file():
        raise ModelError(f"`{folder}` holds no {TOKENIZER}", help="fetch the model again")
    return _load(folder, size_and_times(folder / TOKENIZER))


# While its file stays as it is: a worker examines it, and then reads the encoders before each batch's first latents.
@lru_cache(maxsize=2)
def _load(folder: Path, _file: tuple[int, ...] | None) -> TextTokens:
    tokens = TextTokens(read_tokenizer(folder, advice="fetch the model again"))
    _check_ends(tokens, folder)
    return tokens


def _check_ends(tokens: TextTokens, folder: Path) -> None:
    end = tokens.tokenizer.token_to_id(END_OF_TEXT)
    newline = tokens.tokenizer.encode("\n", add_special_tokens=False).ids
    text = f"# Instruction\n{TEXT2MUSIC_INSTRUCTION}{END_OF_TEXT}\n"
    for prompt, expected in ((dit_lyric_prompt("la", "en"), [end, end]), (text, [end, *newline, end])):
        found = tokens.ids(prompt)[-len(expected) :]
        if found != expected:
            raise ModelError(
                f"the tokenizer in `{folder}` ends texts with {found}, expected is {expected}",
                why=f"`{END_OF_TEXT}` is {end}, and one more is added behind every text",
                help=FETCH_AGAIN,
            )
