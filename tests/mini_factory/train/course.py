"""A stage's course: rounds of learning until a count or the clock ends it, examined on held-out songs, kept on disk.

In: modules, a loss of batches, batches, an exam. Out: the modules with the best running mean of their weights.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from renderer.models.kernels.cuda_graph import cuda_graph, eager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from renderer.models.kernels.cuda_graph import Launch

log = logging.getLogger(__name__)

WARM_UP = 0.03  # of the course
KEEP_SECONDS = 60.0
"""How often a course is written to disk."""
AHEAD = 2
"""Rounds the host may be ahead of the device, so that the clock means something."""

LAUNCHES: Mapping[str, Launch] = {"eager": eager, "graph": cuda_graph}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A course's end: rounds or seconds, whichever comes first; the first round, which compiles, isn't timed."""

    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How AdamW goes."""

    peak: float
    """The highest learning rate."""
    betas: tuple[float, float]
    decay: float
    keep: float
    """Of the running mean of weights at each round."""


class Course:
    """Modules being taught; `lesson` makes a batch's tensors a loss.

    Where `kept` is a file of an earlier run, the course goes on from there.
    """

    def __init__(
        self,
        modules: Sequence[Any],
        lesson: Callable[..., torch.Tensor],
        *,
        pace: Pace,
        budget: Budget,
        kept: Path,
        launch: Launch,
    ) -> None:
        self.modules, self.lesson = modules, lesson
        self.pace, self.budget, self.kept, self.launch = pace, budget, kept, launch
        self.live = [parameter for module in modules for parameter in module.parameters()]
        self.mean = [parameter.detach().clone() for parameter in self.live]
        self.best: list[torch.Tensor] = []
        self.best_loss = math.inf
        self.done = 0
        self.spent = 0.0
        on_gpu = self.live[0].is_cuda
        self.rate = torch.tensor(pace.peak, device=self.live[0].device)
        self.adam = torch.optim.AdamW(
            self.live, lr=self.rate, betas=pace.betas, weight_decay=pace.decay, fused=on_gpu, capturable=on_gpu
        )
        self._recorded: dict[tuple[torch.Size, ...], tuple[tuple[torch.Tensor, ...], torch.Tensor, Any]] = {}
        self._under_way: deque[Any] = deque()
        if kept.exists():
            self._go_on()

    @property
    def progress(self) -> float:
        """How much of the course is over, 0 to 1."""
        return min(1.0, max(self.done / self.budget.rounds, self.spent / self.budget.seconds))

    def run(
        self, name: str, batch: Callable[[], tuple[torch.Tensor, ...]], exam: Callable[[], torch.Tensor], *, every: int
    ) -> None:
        """Learn from batches to the end, telling loss and exam every so many rounds; install the best mean."""
        for done in self._rounds():
            loss = self.learn(*batch())
            if done % every == 0:
                told = (name, done, self.progress, loss.item(), self.examine(exam))
                log.info("%s %d %.2f: loss %.4f, held out %.4f", *told)
        log.info("%s %d %.2f: held out %.4f at the end", name, self.done, self.progress, self.examine(exam))
        self.finish()

    def learn(self, *batch: torch.Tensor) -> torch.Tensor:
        """A round: its loss, on the device. Batches of a shape seen before replay what was recorded."""
        self.rate.fill_(learning_rate(self.pace.peak, self.progress))
        shapes = tuple(tensor.shape for tensor in batch)
        if shapes not in self._recorded:
            self._recorded[shapes] = self._record(batch)
        held, loss, run = self._recorded[shapes]
        for mine, theirs in zip(held, batch, strict=True):
            mine.copy_(theirs)
        run()
        self._average()
        self._keep_pace()
        return loss

    @torch.no_grad()
    def examine(self, exam: Callable[[], torch.Tensor]) -> float:
        """The exam's loss with the mean weights; the best ever are remembered."""
        with self._averaged():
            loss = float(exam())
        if loss < self.best_loss:
            self.best_loss, self.best = loss, [mean.clone() for mean in self.mean]
        return loss

    @torch.no_grad()
    def finish(self) -> None:
        """Put the best mean weights into the modules, and keep the course as it ended."""
        self._keep()
        for parameter, value in zip(self.live, self.best or self.mean, strict=True):
            parameter.copy_(value)
        for module in self.modules:
            module.eval()

    def _rounds(self) -> Iterator[int]:
        earlier, began, written = self.spent, 0.0, time.monotonic()
        for module in self.modules:
            module.train()
        while self.progress < 1:
            yield self.done
            self.done += 1
            began = began or time.monotonic()
            self.spent = earlier + time.monotonic() - began
            if time.monotonic() - written > KEEP_SECONDS:
                self._keep()
                written = time.monotonic()

    def _record(self, batch: tuple[torch.Tensor, ...]) -> tuple[tuple[torch.Tensor, ...], torch.Tensor, Any]:
        held = tuple(tensor.clone() for tensor in batch)
        loss = torch.zeros((), device=self.rate.device)

        def round_() -> None:
            made = self.lesson(*held)
            loss.copy_(made.detach())
            self.adam.zero_grad(set_to_none=True)
            made.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.live, 1.0)
            self.adam.step()

        return held, loss, self.launch(round_)

    @torch.no_grad()
    def _average(self) -> None:
        """Take in the present weights; early ones are forgotten sooner."""
        keep = min(self.pace.keep, (1 + self.done) / (10 + self.done))
        torch._foreach_lerp_(self.mean, self.live, 1 - keep)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The mean weights in the modules for a while."""
        live = [parameter.detach().clone() for parameter in self.live]
        self._install(self.mean)
        for module in self.modules:
            module.eval()
        try:
            yield
        finally:
            self._install(live)
            for module in self.modules:
                module.train()

    @torch.no_grad()
    def _install(self, values: list[torch.Tensor]) -> None:
        torch._foreach_copy_(self.live, values)

    def _keep_pace(self) -> None:
        if not self.rate.is_cuda:
            return
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own gap
        event.record()
        self._under_way.append(event)
        if len(self._under_way) > AHEAD:
            self._under_way.popleft().synchronize()

    def _keep(self) -> None:
        """Write everything that a later run needs to go on; it appears whole."""
        state = {
            "done": self.done,
            "spent": self.spent,
            "live": [parameter.detach() for parameter in self.live],
            "mean": self.mean,
            "best": self.best,
            "best_loss": self.best_loss,
            "adam": self.adam.state_dict(),
        }
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        rough = self.kept.with_suffix(".part")
        torch.save(state, rough)
        rough.rename(self.kept)

    def _go_on(self) -> None:
        state = torch.load(self.kept, map_location=self.rate.device, weights_only=True)
        self.done, self.spent = state["done"], state["spent"]
        self._install(state["live"])
        self.mean, self.best, self.best_loss = state["mean"], state["best"], state["best_loss"]
        self.adam.load_state_dict(state["adam"])
        for group in self.adam.param_groups:
            group["lr"] = self.rate
        log.info("%s: going on after %d rounds, %.0f s", self.kept.stem, self.done, self.spent)


def learning_rate(peak: float, progress: float) -> float:
    """A short linear warm-up, then half a cosine to a fiftieth."""
    if progress < WARM_UP:
        return peak * (progress / WARM_UP + 1e-3)
    fall = 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))
    return peak * (0.02 + 0.98 * fall)
