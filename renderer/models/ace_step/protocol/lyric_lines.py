"""Lyric tokens with times -> words and lines with times. Knows no attention, no models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renderer.artifacts import TimedLine, TimedWord
from renderer.models.ace_step.protocol.prompt import dit_lyric_prompt
from renderer.models.ace_step.protocol.text_tokens import END_OF_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from renderer.models.ace_step.protocol.text_tokens import TextTokens

_HALF = "\ufffd"  # what a decoder makes of a character's first bytes
# Han and kana are written without spaces, and each sign is sung by itself; what closes a phrase stays with its last.
_WORD = re.compile(
    r"[\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff][\u3001-\u3003\u3009-\u301f\uff01-\uff1f]*|[^\s\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff]+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LyricRows:
    """The tokens of a lyric prompt that are lyrics: a row of attention each."""

    first: int
    """Where they begin in the prompt: behind its header."""
    ids: tuple[int, ...]

    @property
    def last(self) -> int:
        """Behind which token of the prompt they end."""
        return self.first + len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedToken:
    """A token, or several that spell one character together."""

    text: str
    start: float
    end: float
    covered: bool
    sung: bool


def lyric_rows(tokens: TextTokens, prompt: str, language: str, limit: int) -> LyricRows:
    """The lyrics' own in a lyric prompt of that language, as far as the DiT reads it."""
    ids = tokens.ids(prompt, limit)
    header = dit_lyric_prompt("", language).removesuffix(END_OF_TEXT)
    first = len(tokens.tokenizer.encode(header, add_special_tokens=False).ids)
    end = tokens.tokenizer.token_to_id(END_OF_TEXT)
    return LyricRows(first=first, ids=tuple(ids[first : ids.index(end) if end in ids else len(ids)]))


def own_texts(tokens: TextTokens, ids: Sequence[int]) -> tuple[str, ...]:
    """Each token decoded alone."""
    return tuple(tokens.tokenizer.decode_batch([[one] for one in ids], skip_special_tokens=False))


def timed_tokens(
    tokens: TextTokens,
    ids: Sequence[int],
    times: Sequence[tuple[float, float]],
    covered: Sequence[bool],
    sung: Sequence[bool],
) -> Iterator[TimedToken]:
    """Tokens with their texts; those that hold one character's bytes together come as one."""
    begin = 0
    for row, own in enumerate(own_texts(tokens, ids)):
        alone = begin == row
        text = own if alone else tokens.tokenizer.decode(list(ids[begin : row + 1]), skip_special_tokens=False)
        # Decoding goes on until the character is whole, or the lyrics end.
        if text.endswith(_HALF) and row + 1 < len(ids):
            continue
        rows = slice(begin, row + 1)
        yield TimedToken(
            text=text, start=times[begin][0], end=times[row][1], covered=any(covered[rows]), sung=any(sung[rows])
        )
        begin = row + 1


def timed_lines(timed: Sequence[TimedToken]) -> tuple[TimedLine, ...]:
    """Lines end with the token that holds a line break; empty ones are left out."""
    lines, row, begin = [], 0, 0
    for place, token in enumerate(timed):
        if "\n" in token.text or place + 1 == len(timed):
            own = timed[begin : place + 1]
            text = "".join(one.text for one in own)
            if text.strip():
                blank = text[: len(text) - len(text.lstrip())].count("\n")
                lines.append(_line(own, text, row + blank))
            row, begin = row + text.count("\n"), place + 1
    return tuple(lines)


def _line(timed: Sequence[TimedToken], text: str, row: int) -> TimedLine:
    # Line breaks and spaces are tokens, too, and nobody sings them.
    heard = [one.covered for one in timed if one.sung and one.text.strip()]
    return TimedLine(
        text=text.strip(),
        start=timed[0].start,
        end=timed[-1].end,
        row=row,
        words=tuple(_words(timed, text)),
        coverage=round(sum(heard) / len(heard), 4) if heard else None,
    )


def _words(timed: Sequence[TimedToken], text: str) -> Iterator[TimedWord]:
    owners = [token for token in timed for _ in token.text]
    for found in _WORD.finditer(text):
        first, last = owners[found.start()], owners[found.end() - 1]
        yield TimedWord(text=found.group(), start=first.start, end=last.end)
