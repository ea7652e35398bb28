"""Plans of one song -> which of them become sound: those that the LM scores best. Pure: keys and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlanPick:
    """A song's takes, in one of its variants, of which not all are finished."""

    takes: tuple[str, ...]
    """Their names, in the order of their seeds."""
    stage: str
    """That gives a plan's score."""
    scores: Mapping[str, str]
    """Take -> the key of its plan's score."""
    finish: int
    always: frozenset[str]
    """Takes that are finished whatever they score: they are already, are kept, or edits are made of them."""

    def chosen(self, score_of: Callable[[str, str], float | None]) -> frozenset[str]:
        """The takes that are finished, by what `score_of` says of a stage and a key; none of those without a score.

        Equal scores go by the order of the seeds, so that the same scores always give the same takes.
        """
        scores = {name: score_of(self.stage, key) for name, key in self.scores.items()}
        known = [name for name in self.takes if scores[name] is not None]
        best = sorted(known, key=lambda name: -(scores[name] or 0.0))[: self.finish]
        return frozenset(best) | self.always

    @property
    def stand_ins(self) -> frozenset[str]:
        """As many takes as will be finished at most, for whoever reckons before there are scores."""
        return self.always | {*islice((name for name in self.takes if name not in self.always), self.finish)}
