"""What the engine is given and what it gives: token ids, how they may be drawn, what was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from renderer.models.ace_step.lm.pass_spec import LogitSlice, PassSpec, SamplingFeatures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt

    from renderer.settings import LmSampling

SHORTEST = 1_024  # tokens; a pass's cache is this long or a power of two times it


class LogitConstraint(Protocol):
    """What one request may draw, and when it ends."""

    @property
    def greedy(self) -> bool:
        """Whether the next token is the most probable one, whatever the temperature."""

    def accept(self, token: int) -> bool:
        """Take a drawn token in; whether it was the last one.

        Raises: StageError when the request can't go on.
        """


class ConstraintSet(Protocol):
    """What all constraints of one kind share: the part of the vocabulary, and how their masks are made."""

    @property
    def logit_slice(self) -> LogitSlice:
        """The part of the output layer that can be drawn from."""

    @property
    def steady(self) -> bool:
        """Whether a request's mask stays as it was at its start."""

    def fill(self, constraints: Mapping[int, LogitConstraint], masks: npt.NDArray[np.int32]) -> None:
        """Set the masks [slots, logit_slice.num_words] of these slots: bit c allows column c."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRequest:
    """One request: what to continue, how to draw, how long at most."""

    id: str
    prompt: tuple[int, ...]
    negative: tuple[int, ...] | None
    """The unconditional row's prompt; None where there is no guidance."""
    settings: LmSampling
    seed: int
    stream: int
    """Which of a seed's streams of random numbers is drawn from: phases with one seed stay independent."""
    max_tokens: int
    constraints: ConstraintSet
    start: Callable[[], LogitConstraint]

    @property
    def pass_spec(self) -> PassSpec:
        """What it must have in common with others to share a pass."""
        longest = max(map(len, self.prompts))
        return PassSpec(
            length=cache_length(longest + self.max_tokens),
            logit_slice=self.constraints.logit_slice,
            features=SamplingFeatures.of(self.settings, guided=self.negative is not None),
        )

    @property
    def prompts(self) -> tuple[tuple[int, ...], ...]:
        """The prompts of its rows."""
        return (self.prompt,) if self.negative is None else (self.prompt, self.negative)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeResult:
    """A request's tokens, the ending one included, and how long it held its slot."""

    id: str
    tokens: tuple[int, ...]
    seconds: float


def cache_length(num_tokens: int) -> int:
    """The class of cache that holds so many tokens: few classes, so that many requests share a pass and its graphs."""
    # What is too long costs memory, and masked columns where rows don't read only what is in use.
    length = SHORTEST
    while length < num_tokens:
        length *= 2
    return length
