"""The chain of thought's grammar: which tokens may come next, row by row, by llguidance.

In: what the user gave. Out: packed bit masks over the text part of the vocabulary. Knows no torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import llguidance
import numpy as np
from llguidance.numpy import fill_next_token_bitmask_par

from renderer.errors import ModelError, StageError
from renderer.facts import BEATS, KEYSCALES, LANGUAGES, MAX_BPM, MAX_DURATION, MIN_BPM, MIN_DURATION
from renderer.models.ace_step.protocol.spelling import FieldSpellings
from renderer.models.ace_step.protocol.tokens import CODE_TOKEN
from renderer.models.kernels.masks import pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from tokenizers import Tokenizer

    from renderer.models.ace_step.protocol.requests import CotRequest
    from renderer.models.ace_step.protocol.spelling import Tree
    from renderer.models.ace_step.protocol.tokens import Tokens

MAX_CAPTION_TOKENS = 512
MAX_COT_TOKENS = 640
"""The caption at its longest and every other field spelled byte by byte."""

FIELD_VALUES: Mapping[str, Sequence[object] | None] = {
    "bpm": range(MIN_BPM, MAX_BPM + 1),
    "caption": None,
    "duration": range(1, MAX_DURATION + 1),
    "keyscale": KEYSCALES,
    "language": LANGUAGES,
    "timesignature": BEATS,
}
"""All that the grammar lets an open field say; None for a text."""

# What a caption may hold: no control characters and no line separators, which YAML would have to quote; no `<`, so
# that it can't spell a control token; no backtick, which upstream bans too. Continued lines are indented.
_TEXT = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff<`]"
_WORD = r"[^\x00-\x20\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff<`]"
_CAPTION = rf" {{1,4}}{_WORD}{_TEXT}*\n( {{1,4}}{_WORD}{_TEXT}*\n)*"


def cot_grammar(request: CotRequest) -> str:
    """The grammar of a request in llguidance's Lark dialect; what the user gave is spelled out.

    Fields come in alphabetical order, as in the training texts. Source: ace-step/ACE-Step-1.5,
    acestep/constrained_logits_processor.py
    """
    settled = _settled_fields(request)
    lowest = min(MIN_DURATION, request.max_duration)
    fields = [
        _field("bpm", settled["bpm"], _numbers(MIN_BPM, MAX_BPM)),
        _CAPTION_RULE if request.use_cot_caption else "",
        _field("duration", settled["duration"], _numbers(lowest, request.max_duration)),
        _field("keyscale", settled["keyscale"], "/[A-G][#b♯♭]? (major|minor)/"),
        _field("language", None, f"/{'|'.join(LANGUAGES)}/") if request.use_cot_language else "",
        _field("timesignature", settled["timesignature"], f"/{'|'.join(BEATS)}/"),
    ]
    rules = [field for field in fields if field]
    names = " ".join(rule.partition(":")[0] for rule in rules)
    return "\n".join([f'start: <think> "\\n" {names}', *rules])


def _settled_fields(request: CotRequest) -> dict[str, int | str | None]:
    """What the user settled, as it is written."""
    metas = request.metas
    return {
        "bpm": metas.bpm,
        "duration": None if metas.duration is None else int(metas.duration),
        "keyscale": metas.keyscale,
        "timesignature": metas.timesignature,
    }


# The line's end belongs to the same rule as its text: the lexer is greedy and never goes back.
_CAPTION_RULE = f'caption: "caption:" caption_text\ncaption_text: /{_CAPTION}/'


def _field(name: str, settled: int | str | None, values: str) -> str:
    if settled is None:
        return f'{name}: "{name}: " {values} "\\n"'
    return f"{name}: {json.dumps(f'{name}: {settled}' + chr(10), ensure_ascii=False)}"


def _numbers(first: int, last: int) -> str:
    return f"/{'|'.join(map(str, range(first, last + 1)))}/"


class CotGrammar:
    """An LM's tokenizer made ready for grammars; building it takes a second or two."""

    def __init__(self, tokens: Tokens) -> None:
        self.num_text = tokens.first_code
        self._executor = llguidance.LLExecutor()
        # Without the audio codes it builds 16 times as fast, and no caption can hold one.
        self._tokenizer = llguidance.LLTokenizer(
            _text_tokenizer(tokens.tokenizer), n_vocab=self.num_text, eos_token=tokens.end
        )
        self._spelling = [self._tokenizer.decode_bytes([token]) for token in range(self.num_text)]
        self._fields = FieldSpellings(tokens.tokenizer, self._spelling, FIELD_VALUES)
        self._newline = pack(np.array([text == b"\n" for text in self._spelling]))
        self._unindented = pack(np.array([not text.startswith((b" ", b"\t")) for text in self._spelling]))

    def start(self, request: CotRequest) -> CotConstraint:
        """A chain of thought about to begin.

        Raises: StageError when the user's metas make no grammar.
        """
        matcher = llguidance.LLMatcher(
            self._tokenizer, llguidance.LLMatcher.grammar_from_lark(cot_grammar(request)), log_level=0
        )
        if matcher.is_error():
            raise StageError("the chain of thought's grammar can't be built", why=matcher.get_error())
        return CotConstraint(
            matcher=matcher, spelling=self._spelling, fields=self._fields.tree(_settled_fields(request))
        )

    def fill(self, constraints: Sequence[tuple[int, CotConstraint]], masks: npt.NDArray[np.int32]) -> None:
        """Set rows of `masks` [rows, words] to what each one allows next, all in parallel."""
        fill_next_token_bitmask_par(self._executor, [(one.matcher, row) for row, one in constraints], masks)
        for row, one in constraints:
            if (place := one.place) is not None:
                self._fields.restrict(place, masks[row], at_line_start=one.at_line_start)
            if one.caption_tokens >= MAX_CAPTION_TOKENS:
                self._end_caption(one, masks[row])

    def _end_caption(self, constraint: CotConstraint, mask: npt.NDArray[np.int32]) -> None:
        """Leave only what ends the caption, as soon as the grammar lets it end."""
        ending = self._unindented if constraint.at_line_start else self._newline
        if (mask & ending).any():
            mask &= ending


@dataclass(slots=True, kw_only=True)
class CotConstraint:
    """A chain of thought being written: the grammar's state, and where in the text it is."""

    matcher: Any
    spelling: list[bytes]
    fields: Tree
    """How each field that may come is spelled, from the beginning of its line."""
    line: bytes = b""
    """The line so far."""
    field: bytes = b""
    """The name of the field being written; continued lines belong to it."""
    caption_tokens: int = 0
    within: Tree | None = None
    """What may follow of the line so far; None in a caption's text, which the LM spells as it likes."""

    @property
    def at_line_start(self) -> bool:
        """Whether the next token begins a line."""
        return not self.line

    @property
    def greedy(self) -> bool:
        """Whether the next token is the most probable one: drawn languages wander."""
        return self.field == b"language" and not self.at_line_start

    def accept(self, token: int) -> bool:
        """Take the drawn token in; whether it was the last one: what can only end needs no token that says so.

        Raises: StageError when the grammar refuses it.
        """
        if not self.matcher.consume_token(token) or self.matcher.is_error():
            raise StageError("the chain of thought left its grammar", why=self.matcher.get_error())
        self._follow(token, self.spelling[token])
        return bool(self.matcher.is_stopped())

    @property
    def place(self) -> Tree | None:
        """The spellings that may go on from here; None where any may."""
        return self.fields if self.at_line_start else self.within

    def _follow(self, token: int, text: bytes) -> None:
        place = self.place
        self.within = place.get(token) or None if place is not None else None
        _, newline, tail = text.rpartition(b"\n")
        self.line = tail if newline else self.line + text
        name, colon, _ = self.line.partition(b":")
        if colon and not name.startswith((b" ", b"\t")):
            self.field = name
        elif self.line and self.line[:1] not in {b" ", b"\t"}:
            self.field = b""
        self.caption_tokens = self.caption_tokens + 1 if self.field == b"caption" else 0


def _text_tokenizer(tokenizer: Tokenizer) -> str:
    """The tokenizer's JSON without audio codes, padding and truncation."""
    backend = json.loads(tokenizer.to_str())
    backend["padding"] = backend["truncation"] = None
    backend["added_tokens"] = [token for token in backend["added_tokens"] if not CODE_TOKEN.fullmatch(token["content"])]
    vocabulary = backend["model"]["vocab"]
    if not isinstance(vocabulary, dict):
        raise ModelError("the LM's tokenizer is no BPE", why="grammars need one over bytes")
    backend["model"]["vocab"] = {text: token for text, token in vocabulary.items() if not CODE_TOKEN.fullmatch(text)}
    return json.dumps(backend, ensure_ascii=False)
