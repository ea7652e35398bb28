"""What the LM may draw, phase by phase: a chain of thought by its grammar, codes by their count, or anything.

A constraint set belongs to a stage and is made once; a constraint is one request's and moves with its tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from renderer.models.ace_step.lm.pass_spec import LogitSlice
from renderer.models.kernels.masks import pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from renderer.models.ace_step.lm.decode_request import LogitConstraint
    from renderer.models.ace_step.lm.grammar import CotConstraint, CotGrammar
    from renderer.models.ace_step.protocol.tokens import Tokens


class CotConstraints:
    """The text part of the vocabulary, under a grammar that changes its mind at every token."""

    steady = False

    def __init__(self, grammar: CotGrammar) -> None:
        self.logit_slice = LogitSlice(first=0, stop=grammar.num_text)
        self._grammar = grammar

    def fill(self, constraints: Mapping[int, LogitConstraint], masks: npt.NDArray[np.int32]) -> None:
        """What each grammar allows next."""
        self._grammar.fill([(slot, cast("CotConstraint", one)) for slot, one in constraints.items()], masks)


class CodesConstraints:
    """The valid codes, and the end where no count is asked for."""

    steady = True

    def __init__(self, tokens: Tokens) -> None:
        self.logit_slice = LogitSlice(
            first=tokens.first_code, stop=tokens.first_code + tokens.num_codes, end=tokens.end
        )
        self._free = pack(np.ones(self.logit_slice.columns, dtype=np.bool_))
        self._counted = pack(np.arange(self.logit_slice.columns) < tokens.num_codes)

    def fill(self, constraints: Mapping[int, LogitConstraint], masks: npt.NDArray[np.int32]) -> None:
        """All codes; the end only for a request without a target, as one with a target stops by counting."""
        # With the end among its choices an LM would take it where a song seems over, before the count.
        for slot, one in constraints.items():
            masks[slot] = self._free if cast("CodesConstraint", one).target is None else self._counted


class FreeConstraints:
    """The whole vocabulary, for requests without constrained decoding."""

    steady = True

    def __init__(self, tokens: Tokens) -> None:
        self.logit_slice = LogitSlice(first=0, stop=tokens.width)

    def fill(self, constraints: Mapping[int, LogitConstraint], masks: npt.NDArray[np.int32]) -> None:
        """Everything."""
        # -1 is all bits: the whole vocabulary, what fills the last word included.
        for slot in constraints:
            masks[slot] = -1


@dataclass(slots=True, kw_only=True)
class CodesConstraint:
    """Codes up to a count, or up to the end the LM sets."""

    target: int | None
    end: int
    num_codes: int = 0

    @property
    def greedy(self) -> bool:
        """Codes are drawn at the request's own temperature."""
        return False

    def accept(self, token: int) -> bool:
        """Count; whether this was the last one."""
        if token == self.end:
            return True
        self.num_codes += 1
        return self.num_codes == self.target


@dataclass(slots=True, kw_only=True)
class FreeConstraint:
    """Whatever the LM writes, until a stop token or as many codes as are wanted."""

    tokens: Tokens
    max_codes: int | None
    num_codes: int = 0

    @property
    def greedy(self) -> bool:
        """Drawn at the request's own temperature."""
        return False

    def accept(self, token: int) -> bool:
        """Whether this was the last token."""
        self.num_codes += self.tokens.is_code(token)
        return token in {self.tokens.end, self.tokens.pad} or self.num_codes == self.max_codes
