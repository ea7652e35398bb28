"""The LM's tokenizer as this protocol needs it: text to ids, where the audio codes lie, which texts are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from renderer.errors import ModelError, StageError
from renderer.facts import NUM_CODES
from renderer.files import size_and_times
from renderer.models.ace_step.protocol.chat_template import CONFIG, FILE, check_chat_template
from renderer.models.ace_step.protocol.names import TOKENIZER

if TYPE_CHECKING:
    from pathlib import Path

REAL_WIDTH = 217_204
REAL_IDS = {
    "<|endoftext|>": 151_643,
    "<|im_start|>": 151_644,
    "<|im_end|>": 151_645,
    "<think>": 151_667,
    "</think>": 151_668,
    "<|audio_code_0|>": 151_669,
    "<|audio_code_63999|>": 215_668,
}
"""The ids in every published checkpoint. Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py"""

CODE_TOKEN = re.compile(r"<\|audio_code_(\d+)\|>")
_CONTROL = re.compile(r"<\|[^<|>]*\|>|</?\w+>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The vocabulary: text ids below `first_code`, then the codes, one token a code."""

    tokenizer: Tokenizer
    width: int
    """Columns of the LM's logits; some have no token."""
    end: int
    """`<|im_end|>`, which ends a turn."""
    pad: int
    first_code: int
    num_codes: int
    num_spelled: int
    """Tokens spelled like a code, the meaningless ones behind the codebook included."""

    @property
    def stops(self) -> frozenset[int]:
        """What ends a text."""
        return frozenset({self.end, self.pad})

    def is_code(self, token: int) -> bool:
        """Whether it is spelled like a code."""
        return self.first_code <= token < self.first_code + self.num_spelled

    def code(self, token: int) -> int:
        """The code that a token stands for; those beyond the codebook become its last, as upstream has it."""
        return min(token - self.first_code, self.num_codes - 1)

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a prompt, nothing added at either end."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: tuple[int, ...]) -> str:
        """Text of ids, special tokens spelled out."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=False)

    def refuse_control_tokens(self, **texts: str) -> None:
        """Let no user's text steer the LM: the tokenizer would take a token's spelling for the token.

        Raises: StageError naming the text and the token.
        """
        for name, text in texts.items():
            for found in _CONTROL.findall(text):
                # Ordinary text is split at the brackets: only a token of its own has one id.
                if len(self.encode(found)) == 1:
                    raise StageError(
                        f"`{found}` stands in the {name}",
                        why="the LM would read it as a control token, not as text",
                        help=f"take it out of the {name}",
                    )


def read_tokenizer(folder: Path, *, advice: str = "") -> Tokenizer:
    """A folder's tokenizer, which neither pads nor cuts, whatever its file asks for.

    Read as it is: transformers' own wrapping of 65,535 codes costs seconds.

    Raises: ModelError with `advice` as its help when there is none or it is broken.
    """
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:
        raise ModelError(f"`{folder}` has no readable tokenizer", why=str(error), help=advice) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def load_tokens(folder: Path, width: int) -> Tokens:
    """The tokenizer in an LM's folder, checked against the protocol; `width` is the LM's vocab_size.

    Read once while its files stay as they are: 65,535 codes take as long as the weights.

    Raises: ModelError when it isn't the tokenizer of a 5 Hz LM.
    """
    return _load_tokens(folder, width, *(size_and_times(folder / name) for name in (TOKENIZER, FILE, CONFIG)))


@lru_cache(maxsize=2)  # 75 MB each
def _load_tokens(folder: Path, width: int, *_files: tuple[int, ...] | None) -> Tokens:
    tokenizer = read_tokenizer(folder)
    # Asked one by one: the whole vocabulary as a dict takes a sixth of a second.
    ids = {token: number for token in REAL_IDS if (number := tokenizer.token_to_id(token)) is not None}
    codes = _spelled_codes(tokenizer)
    _check_ids(folder, ids, codes, width)
    check_chat_template(folder)
    return Tokens(
        tokenizer=tokenizer,
        width=width,
        end=ids["<|im_end|>"],
        pad=ids["<|endoftext|>"],
        first_code=codes[0],
        num_codes=min(len(codes), NUM_CODES),
        num_spelled=len(codes),
    )


def _check_ids(folder: Path, ids: dict[str, int], codes: list[int], width: int) -> None:
    needed = ("<|endoftext|>", "<|im_end|>", "<think>", "<|audio_code_0|>")
    missing = [token for token in needed if token not in ids]
    if missing:
        raise ModelError(
            f"`{folder}` is no 5 Hz LM",
            why=f"its vocabulary lacks {', '.join(f'`{token}`' for token in missing)}",
        )
    # The codes tell a published LM even where its logits are padded to another width.
    is_published = len(codes) >= NUM_CODES or width == REAL_WIDTH
    wrong = [token for token, expected in REAL_IDS.items() if is_published and ids.get(token) != expected]
    if wrong:
        raise ModelError(
            f"the tokenizer in `{folder}` is not the one of the published LMs",
            why=f"`{wrong[0]}` has id {ids.get(wrong[0])} where {REAL_IDS[wrong[0]]} is expected",
            help="download the LM again; its tokenizer files and weights belong together",
        )
    first = codes[0]
    if codes != list(range(first, first + len(codes))):
        raise ModelError(f"the audio codes of `{folder}` are not in order", why="code n must be token n of its range")
    if max(first + len(codes), ids["<|im_end|>"] + 1) > width or ids["<|im_end|>"] > first:
        raise ModelError(f"tokenizer and weights in `{folder}` don't belong together", why=f"vocab_size is {width}")


def _spelled_codes(tokenizer: Tokenizer) -> list[int]:
    """Ids of the tokens spelled like codes, counted from 0 without a gap; added tokens or of the vocabulary itself."""
    found: list[int] = []
    while (token := tokenizer.token_to_id(f"<|audio_code_{len(found)}|>")) is not None:
        found.append(token)
    return found
