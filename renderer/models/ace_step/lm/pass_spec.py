"""What requests must have in common to be decoded in one pass; all of a pass's shapes follow from it.

Kernels round differently at different shapes. So shapes follow from the spec and the number of slots alone, never from
how many requests there happen to be: that is why a row's bits don't depend on its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear

from renderer.models.kernels import masks

if TYPE_CHECKING:
    from renderer.settings import LmSampling


PAIR = 2
"""Rows that `lm_slots` counts as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitSlice:
    """The part of the output layer a pass evaluates: ids `first` to `stop`, then `end` when it lies elsewhere.

    The output layer is a third of a small LM's work in a step, and most of it can't be drawn: codes need the 64,000
    codes and the end, a chain of thought the text.
    """

    first: int
    stop: int
    end: int | None = None

    @property
    def columns(self) -> int:
        """Columns of its logits."""
        return self.stop - self.first + (self.end is not None)

    @property
    def num_words(self) -> int:
        """Length of a mask over its columns: 32 an int32."""
        return masks.num_words(self.columns)

    def logits(self, weight: Tensor, hidden: Tensor) -> Tensor:
        """Float32 [rows, columns] of hidden states [rows, width]."""
        made = torch.empty(len(hidden), self.columns, device=hidden.device)
        first = 0
        for part in self.parts(weight):
            made[:, first : first + len(part)] = linear(hidden, part)
            first += len(part)
        return made

    def parts(self, weight: Tensor) -> tuple[Tensor, ...]:
        """Those rows of the output layer's weight that its columns are made by, in their order."""
        ends = () if self.end is None else (weight[self.end : self.end + 1],)
        return (weight[self.first : self.stop], *ends)

    def ids(self, columns: Tensor) -> Tensor:
        """The tokens that columns stand for."""
        inside = columns + self.first
        return inside if self.end is None else torch.where(columns == self.stop - self.first, self.end, inside)

    def columns_of(self, ids: Tensor) -> Tensor:
        """The columns of those tokens among `ids` that have one."""
        inside = ids[(ids >= self.first) & (ids < self.stop)] - self.first
        ends = ids[ids == self.end] * 0 + (self.stop - self.first) if self.end is not None else ids[:0]
        return torch.cat([inside, ends])


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingFeatures:
    """Which operations a request's sampling needs; requests that need the same share passes."""

    guided: bool
    penalised: bool
    top_k: bool
    top_p: bool

    @classmethod
    def of(cls, settings: LmSampling, *, guided: bool) -> SamplingFeatures:
        """What these settings switch on; `guided` is whether there is an unconditional row to guide with."""
        return cls(
            guided=guided,
            penalised=settings.lm_repetition_penalty != 1,
            top_k=settings.lm_top_k > 0,
            top_p=0 < settings.lm_top_p < 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSpec:
    """What must be equal for requests to share a pass."""

    length: int
    """Tokens a row's cache holds."""
    logit_slice: LogitSlice
    features: SamplingFeatures

    def num_slots(self, lm_slots: int) -> int:
        """Requests in a pass of `lm_slots` pairs of rows: without guidance each row of a pair holds one."""
        return lm_slots * PAIR // self.rows_a_slot

    @property
    def rows_a_slot(self) -> int:
        """A pair, with and without the condition, where there is guidance."""
        return PAIR if self.features.guided else 1
