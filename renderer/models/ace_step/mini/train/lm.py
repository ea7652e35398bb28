"""The LM: think blocks and codes in the protocol's own sequences, next-token loss on what it must write."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from renderer.models.ace_step.mini.composer.song import draw
from renderer.models.ace_step.mini.train.schedule import Average, Budget, Optimiser
from renderer.models.ace_step.mini.train.texts import codes_lesson, cot_lesson
from renderer.models.ace_step.mini.vocabulary import IM_END

if TYPE_CHECKING:
    from renderer.models.ace_step.mini.train.shards import Encoded, ShardReader

log = logging.getLogger(__name__)

COT_SHARE = 0.2
CODES_VARIANTS = 3
COT_VARIANTS = 2
WIDTH = 64
"""Batches are padded to multiples of this many tokens."""
REPORT_EVERY = 200
LOOK_EVERY = 50
"""Rounds between two looks for new songs."""


class Lessons:
    """Token sequences with the place where the answer starts, growing while they are used."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.first_code = tokenizer.convert_tokens_to_ids("<|audio_code_0|>")
        self.end = tokenizer.convert_tokens_to_ids(IM_END)
        self.cots: list[tuple[list[int], int]] = []
        self.codes: list[tuple[list[int], int]] = []

    def add(self, song: Encoded) -> None:
        """The lessons of one song."""
        piece = draw(song.seed)
        rng = np.random.default_rng([piece.seed, 4])
        cots = [cot_lesson(piece, rng) for _ in range(COT_VARIANTS)]
        plays = [codes_lesson(piece, rng) for _ in range(CODES_VARIANTS)]
        ids = self.tokenizer([lesson.prompt + lesson.answer for lesson in (*cots, *plays)]).input_ids
        starts = [len(self.tokenizer(lesson.prompt).input_ids) for lesson in cots]
        tokens = [self.first_code + int(code) for code in song.codes.tolist()]
        self.cots += [([*row, self.end], start) for row, start in zip(ids, starts, strict=False)]
        self.codes += [([*row, *tokens, self.end], len(row)) for row in ids[COT_VARIANTS:]]

    def batch(
        self, rng: np.random.Generator, tokens_a_batch: int, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(ids, targets) [B, T], targets -100 where nothing is asked; rows of similar length."""
        kind = self.cots if rng.random() < COT_SHARE else self.codes
        sample = [kind[int(index)] for index in rng.integers(0, len(kind), max(4, tokens_a_batch // 64))]
        sample.sort(key=lambda lesson: len(lesson[0]))
        last = int(rng.integers(0, len(sample)))
        width = -(-len(sample[last][0]) // WIDTH) * WIDTH
        rows = sample[max(0, last + 1 - max(1, tokens_a_batch // width)) : last + 1]
        ids = np.zeros((len(rows), width), dtype=np.int64)
        targets = np.full((len(rows), width), -100, dtype=np.int64)
        for row, (values, start) in enumerate(rows):
            ids[row, : len(values)] = values
            targets[row, start - 1 : len(values) - 1] = values[start:]
        return torch.from_numpy(ids).to(device), torch.from_numpy(targets).to(device)


def train_lm(
    model: Any, lessons: Lessons, reader: ShardReader, *, budget: Budget, tokens_a_batch: int, seed: int = 0
) -> None:
    """Teach the LM in place, taking in songs as they are encoded."""
    device = model.device
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model.train()
    optimiser = Optimiser(list(model.parameters()), peak=2e-3, betas=(0.9, 0.97), decay=5e-2)
    average = Average([model], 0.999)
    for done, progress in budget.rounds_left():
        if done % LOOK_EVERY == 0:
            for song in reader.new_songs():
                lessons.add(song)
        ids, targets = lessons.batch(rng, tokens_a_batch, device)
        loss = answer_loss(model, ids, targets)
        optimiser.advance(loss, progress)
        average.update(done)
        if done % REPORT_EVERY == 0:
            log.info("lm %d %.2f: loss %.4f (%d lessons)", done, progress, loss.item(), len(lessons.codes))
    average.install()
    model.eval()


@torch.no_grad()
def soften(model: Any) -> None:
    """Bring the random set's weights, drawn wide so that tests see them, to a size that trains well."""
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            parameter.mul_(0.02 / parameter.std())


def answer_loss(model: Any, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the answers' tokens alone; padding stands right, where causal attention never looks."""
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    asked = targets >= 0
    logits = model.lm_head(hidden[asked])
    return F.cross_entropy(logits.float(), targets[asked])
