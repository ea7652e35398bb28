"""Prompts through the LM before a request's first draw: each request's own together, alone.

On CUDA they are filled up to a few lengths, so that each one's chain of operations can be recorded: launched one by
one they take several times as long as the device computes. Knows token ids, not texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from renderer.models.kernels.attention import cache_bytes, prompt_cache, row_memory
from renderer.models.kernels.cuda_graph import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

LONGEST_RECORDED = 1_024  # tokens; more compute for longer than their launches take
MOST_PROMPTS = 2  # of a request: with the caption's guidance and without


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefilled:
    """Prompts run through the LM up to, not including, their last token; read it before the next prefill."""

    memory: Sequence[Tensor]
    """Each layer's [2, prompts, heads, length, head_dim], keys before values; garbage beyond a prompt's own length."""
    last: tuple[int, ...]
    lengths: tuple[int, ...]


class Prefill:
    """A model's prefill. Prompts are padded on the right, where a causal model doesn't look.

    `grain`: to a multiple of so many tokens. `recorded`, where they are not too long; in the same bits.
    """

    def __init__(self, model: Any, *, grain: int, recorded: bool) -> None:
        self._model, self._grain, self._recorded = model, grain, recorded
        self._recordings: dict[tuple[int, int], _Recording | None] = {}
        self._memory: list[Tensor] = []
        self._pool: Any = None

    def __call__(self, prompts: Sequence[tuple[int, ...]]) -> Prefilled:
        """The prompts' keys and values."""
        longest = max(map(len, prompts)) - 1
        length = -(-longest // self._grain) * self._grain
        ids = torch.tensor([(*prompt[:-1], *[0] * (length + 1 - len(prompt))) for prompt in prompts])
        return Prefilled(
            memory=self._run(ids),
            last=tuple(prompt[-1] for prompt in prompts),
            lengths=tuple(len(prompt) - 1 for prompt in prompts),
        )

    def bytes_to_come(self, dtype: torch.dtype) -> int:
        """Memory for keys and values that recordings share, until they have it."""
        if not self._recorded or self._memory:
            return 0
        return cache_bytes(self._model.config, MOST_PROMPTS, LONGEST_RECORDED, dtype)

    def _run(self, ids: Tensor) -> Sequence[Tensor]:
        count, length = shape = len(ids), ids.shape[1]
        weight = self._model.embed_tokens.weight
        if not self._recorded or length > LONGEST_RECORDED or count > MOST_PROMPTS:
            memory = row_memory(self._model.config, count, length, weight, by_token=True)
            self._fill(ids.to(weight.device), memory)
            return memory
        self._memory = self._memory or row_memory(
            self._model.config, MOST_PROMPTS, LONGEST_RECORDED, weight, by_token=True
        )
        memory = [layer[:, :count, :, :length] for layer in self._memory]
        if shape in self._recordings:
            recording = self._recordings[shape] = self._recordings[shape] or self._record(ids, memory)
            recording.ids.copy_(ids)
            recording.graph.replay()
        else:
            # The first of a shape runs as it stands: libraries set themselves up in it, which a graph can't record.
            self._recordings[shape] = None
            self._fill(ids.to(weight.device), memory)
        return memory

    def _record(self, ids: Tensor, memory: Sequence[Tensor]) -> _Recording:
        held = ids.to(self._model.embed_tokens.weight.device)
        # One pool: what a recording leaves lies outside it, and the next one comes when it is over.
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        return _Recording(ids=held, graph=record(lambda: self._fill(held, memory), held.device, self._pool))

    def _fill(self, ids: Tensor, memory: Sequence[Tensor]) -> None:
        self._model(
            input_ids=ids,
            attention_mask={"full_attention": None},
            past_key_values=prompt_cache(memory),
            use_cache=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """A prefill of one shape, and where it reads the prompts."""

    ids: Tensor
    graph: torch.cuda.CUDAGraph
