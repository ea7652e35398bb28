"""Prompts through the LM before a request's first draw: each request's own together, alone.

Alone, since a prompt batched with others would run in other shapes and so round otherwise. Prompts are filled up on the
right, where a causal model doesn't look, to a multiple of the bucket: so a few lengths stand for all, and each one's
chain of operations can be recorded once; launched one by one they take several times as long as the device computes.
Knows token ids, not texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from renderer.models.device import upload
from renderer.models.kernels.cuda_graph import record
from renderer.models.kernels.kv_cache import cache_bytes, prompt_cache, zeros_by_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

LONGEST_RECORDED = 1_024  # tokens; more compute for longer than their launches take
MAX_PROMPTS = 2  # of a request: with the caption's guidance and without


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCache:
    """Prompts run through the LM up to, not including, their last token; read it before the next prefill."""

    memory: Sequence[Any]
    """Each layer's [2, prompts, heads, length, head_dim], keys before values; garbage beyond a prompt's own length.

    In the library's own arrays, which only its `Rows` read."""
    last: tuple[int, ...]
    lengths: tuple[int, ...]


class PromptForward(Protocol):
    """How token ids [prompts, length] get through a model."""

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Sequence[Tensor]:
        """Each layer's keys and values, as `PromptCache.memory` has them; good until the next call.

        What fills a prompt up lies behind its length.
        """

    def bytes_to_come(self, dtype: torch.dtype) -> int:
        """Memory it will take for good and hasn't taken yet."""


class Prefill:
    """A model's prefill, by buckets of so many tokens."""

    def __init__(self, forward: PromptForward, *, prompt_bucket: int) -> None:
        self._forward, self._prompt_bucket = forward, prompt_bucket

    def __call__(self, prompts: Sequence[tuple[int, ...]]) -> PromptCache:
        """The prompts' keys and values."""
        longest = max(map(len, prompts)) - 1
        length = -(-longest // self._prompt_bucket) * self._prompt_bucket
        # The last token is the first step's: so the first draw comes from a pass, as all others do. What fills up is
        # token 0, to which none of the prompt's own attend.
        ids = torch.tensor([(*prompt[:-1], *[0] * (length + 1 - len(prompt))) for prompt in prompts])
        lengths = tuple(len(prompt) - 1 for prompt in prompts)
        return PromptCache(
            memory=self._forward(ids, lengths), last=tuple(prompt[-1] for prompt in prompts), lengths=lengths
        )

    def bytes_to_come(self, dtype: torch.dtype) -> int:
        """Memory it will take for good and hasn't taken yet."""
        return self._forward.bytes_to_come(dtype)


class EagerPrompts:
    """Operation by operation, into new memory each time."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Sequence[Tensor]:  # noqa: ARG002 - the protocol's
        """As the protocol says."""
        weight = self._model.embed_tokens.weight
        memory = zeros_by_token(self._model.config, len(ids), ids.shape[1], weight)
        _fill(self._model, upload(ids, weight.device), memory)
        return memory

    def bytes_to_come(self, dtype: torch.dtype) -> int:  # noqa: ARG002 - the protocol's
        """None."""
        return 0


class ApartPrompts:
    """Prompt after prompt, operation by operation, nothing filled up: on a CPU that would be computed in vain."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Sequence[Tensor]:
        """As the protocol says."""
        memory = zeros_by_token(self._model.config, len(ids), ids.shape[1], self._model.embed_tokens.weight)
        for row, length in enumerate(lengths):
            one = slice(row, row + 1)
            _fill(self._model, ids[one, :length], [layer[:, one, :, :length] for layer in memory])
        return memory

    def bytes_to_come(self, dtype: torch.dtype) -> int:  # noqa: ARG002 - the protocol's
        """None."""
        return 0


class RecordedPrompts:
    """As a CUDA graph for each shape, where prompts are not too long; in the same bits as operation by operation."""

    def __init__(self, model: Any) -> None:
        self._model, self._eager = model, EagerPrompts(model)
        self._recordings: dict[tuple[int, int], _Recording | None] = {}
        self._memory: list[Tensor] = []
        self._pool: Any = None

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Sequence[Tensor]:
        """As the protocol says; recordings of all shapes fill the same memory, from its beginning."""
        count, length = shape = len(ids), ids.shape[1]
        if length > LONGEST_RECORDED or count > MAX_PROMPTS:
            return self._eager(ids, lengths)
        weight = self._model.embed_tokens.weight
        self._memory = self._memory or zeros_by_token(self._model.config, MAX_PROMPTS, LONGEST_RECORDED, weight)
        memory = [layer[:, :count, :, :length] for layer in self._memory]
        if shape in self._recordings:
            recording = self._recordings[shape] = self._recordings[shape] or self._record(ids, memory)
            recording.ids.copy_(upload(ids, recording.ids.device))
            recording.graph.replay()
        else:
            # A warmup: libraries set themselves up in the first run of a shape, which a graph can't record.
            self._recordings[shape] = None
            _fill(self._model, upload(ids, weight.device), memory)
        return memory

    def bytes_to_come(self, dtype: torch.dtype) -> int:
        """Keys and values that recordings share, until they have them."""
        if self._memory:
            return 0
        return cache_bytes(self._model.config, MAX_PROMPTS, LONGEST_RECORDED, dtype)

    def _record(self, ids: Tensor, memory: Sequence[Tensor]) -> _Recording:
        static = ids.to(self._model.embed_tokens.weight.device)
        # One pool: what a recording leaves lies outside it, and the next one comes when it is over.
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = record(lambda: _fill(self._model, static, memory), static.device, self._pool)
        return _Recording(ids=static, graph=graph)


def _fill(model: Any, ids: Tensor, memory: Sequence[Tensor]) -> None:
    model(
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
