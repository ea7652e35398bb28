"""The LM: think blocks and codes in the protocol's own sequences, next-token loss on what it must write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own custom

from tests.mini_factory.train.course import Pace

if TYPE_CHECKING:
    from tests.mini_factory.train.course import Course
    from tests.mini_factory.train.shards import ShardReader
    from tests.mini_factory.train.tellings import Rows

    Table = dict[tuple[str, int], tuple[torch.Tensor, torch.Tensor]]

COT_SHARE = 0.3
WRONG_SHARE = 0.3
"""Codes that a row reads wrongly at most: what the LM drew itself isn't always right, and rows come round again."""
CAUSAL = {"full_attention": None}
"""Plain causal attention; left to itself transformers looks for packed rows, which waits for the device."""
SOFT = 0.02
EXAM_ROWS = 48
REPORT_EVERY = 200
LOOK_EVERY = 25
"""Rounds between two looks for new songs."""
PACE = Pace(peak=2e-3, betas=(0.9, 0.97), decay=1e-1, keep=0.998)


class Bench:
    """Rows of token ids on the device by kind and width, growing while they are used."""

    def __init__(self, device: torch.device, first_code: int, num_codes: int) -> None:
        self.device, self.first_code, self.num_codes = device, first_code, num_codes
        self.rows: Table = {}

    def add(self, found: dict[tuple[str, int], Rows]) -> None:
        """More rows."""
        for key, rows in found.items():
            new = (torch.from_numpy(rows.ids).to(self.device), torch.from_numpy(rows.starts).to(self.device))
            held = self.rows.get(key)
            self.rows[key] = (torch.cat([held[0], new[0]]), torch.cat([held[1], new[1]])) if held is not None else new

    def __len__(self) -> int:
        return sum(len(starts) for _, starts in self.rows.values())

    def batch(self, rng: np.random.Generator, tokens_a_batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(ids [B, T], starts [B]) of one kind and width, drawn as often as it has tokens."""
        kind = "cot" if rng.random() < COT_SHARE else "codes"
        keys = [key for key in self.rows if key[0] == kind]
        weights = np.array([len(self.rows[key][1]) * key[1] for key in keys], dtype=float)
        key = keys[int(rng.choice(len(keys), p=weights / weights.sum()))]
        ids, starts = self.rows[key]
        chosen = torch.randint(len(ids), (max(1, tokens_a_batch // key[1]),), device=self.device)
        return ids[chosen].long(), starts[chosen].long()

    def exam(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The first rows of each width with codes."""
        return [
            (ids[:EXAM_ROWS].long(), starts[:EXAM_ROWS].long())
            for (kind, _), (ids, starts) in self.rows.items()
            if kind == "codes"
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLessons:
    """What the LM is taught with."""

    model: Any
    bench: Bench
    autocast: bool

    def loss(self, ids: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the answers' tokens, some codes of what is read being wrong."""
        bench = self.bench
        is_code = (ids >= bench.first_code) & (ids < bench.first_code + bench.num_codes)
        rate = WRONG_SHARE * torch.rand(len(ids), 1, device=ids.device)
        wrong = is_code & (torch.rand(ids.shape, device=ids.device) < rate)
        read = torch.where(wrong, bench.first_code + torch.randint_like(ids, bench.num_codes), ids)
        return self.answer_loss(read, ids, starts)

    def answer_loss(self, read: torch.Tensor, ids: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of what follows `starts` in `ids`; padding stands right, where causal attention never looks."""
        place = torch.arange(ids.shape[1], device=ids.device)
        targets = torch.where((ids >= 0) & (place >= starts[:, None]), ids, -100)[:, 1:]
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            hidden = self.model.model(
                input_ids=read.clamp(min=0), attention_mask=CAUSAL, use_cache=False
            ).last_hidden_state
            logits = self.model.lm_head(hidden[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    def exam(self, rows: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """The same of held-out songs, with every code read rightly."""
        return torch.stack([self.answer_loss(ids, ids, starts) for ids, starts in rows]).mean()


Found = tuple["dict[tuple[str, int], Rows]", "dict[tuple[str, int], Rows]"]


def train_lm(
    course: Course, lessons: TokenLessons, held_out: Bench, reader: ShardReader[Found], *, tokens_a_batch: int
) -> None:
    """Teach the LM in place, taking in songs as they are encoded."""
    rng = np.random.default_rng(course.done)
    exam = (held_out if len(held_out) else lessons.bench).exam()

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        if course.done % LOOK_EVERY == 0:
            for taught, _ in reader.ready():
                lessons.bench.add(taught)
        return lessons.bench.batch(rng, tokens_a_batch)

    course.run("lm", batch, lambda: lessons.exam(exam), every=REPORT_EVERY)


@torch.no_grad()
def soften(model: Any) -> None:
    """Bring a random set's weights, drawn wide so that tests see them, to a size that trains well; once.

    Layers that write into the stream start smaller, as in GPT-2.
    """
    if model.config.initializer_range == SOFT:
        return
    model.config.initializer_range = SOFT
    depth = 2 * model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        if "norm" not in name:
            writes = name.endswith(("o_proj.weight", "down_proj.weight"))
            parameter.mul_((SOFT / depth**0.5 if writes else SOFT) / parameter.std())
