"""How long a stage trains and how its learning rate goes: by rounds or by the clock, whichever ends first."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

WARM_UP = 0.03  # of the stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A stage's end: rounds of the optimiser or seconds."""

    rounds: int
    seconds: float
    started: float = field(default_factory=time.monotonic)

    def progress(self, done: int) -> float:
        """How much of the stage is over, 0 to 1."""
        return min(1.0, max(done / self.rounds, (time.monotonic() - self.started) / self.seconds))

    def rounds_left(self, done: int = 0) -> Iterator[tuple[int, float]]:
        """(round, progress) until the budget is spent."""
        while (now := self.progress(done)) < 1:
            yield done, now
            done += 1


def learning_rate(peak: float, progress: float) -> float:
    """A short linear warm-up, then half a cosine to a fiftieth."""
    if progress < WARM_UP:
        return peak * (progress / WARM_UP + 1e-3)
    fall = 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return peak * (0.02 + 0.98 * fall)


class Optimiser:
    """AdamW on this schedule, gradients clipped."""

    def __init__(
        self, parameters: list[torch.nn.Parameter], *, peak: float, betas: tuple[float, float], decay: float
    ) -> None:
        self.parameters = parameters
        self.peak = peak
        fused = parameters[0].is_cuda
        self.adam = torch.optim.AdamW(parameters, lr=peak, betas=betas, weight_decay=decay, fused=fused)

    def advance(self, loss: torch.Tensor, progress: float) -> None:
        """One round."""
        for group in self.adam.param_groups:
            group["lr"] = learning_rate(self.peak, progress)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.adam.step()


class Average:
    """A running mean of weights, which samples better than the last round's."""

    def __init__(self, modules: list[Any], keep: float) -> None:
        self.live = [parameter for module in modules for parameter in module.parameters()]
        self.mean = [parameter.detach().clone() for parameter in self.live]
        self.keep = keep

    @torch.no_grad()
    def update(self, done: int) -> None:
        """Take in the present weights; early ones are forgotten sooner."""
        keep = min(self.keep, (1 + done) / (10 + done))
        torch._foreach_lerp_(self.mean, self.live, 1 - keep)

    @torch.no_grad()
    def install(self) -> None:
        """Put the mean into the modules."""
        for parameter, mean in zip(self.live, self.mean, strict=True):
            parameter.copy_(mean)
