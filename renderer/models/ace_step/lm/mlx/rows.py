"""The LM resident in MLX, as the engine drives it: prompts, the rows of a pass, memory."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np
import psutil
import torch

from renderer.models.ace_step.lm.mlx.weights import rows_of
from renderer.models.ace_step.lm.pass_spec import PAIR
from renderer.models.ace_step.lm.prefill import PromptCache
from renderer.models.ace_step.lm.sampling import first_above
from renderer.models.ace_step.lm.teacher_forcing import BLOCK_TOKENS
from renderer.models.kernels.cuda_graph import eager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from renderer.models.ace_step.lm.mlx.qwen3 import MlxQwen3
    from renderer.models.ace_step.lm.pass_spec import PassSpec
    from renderer.models.ace_step.lm.sampling import Crossing
    from renderer.models.kernels.cuda_graph import Launch

HOST = torch.device("cpu")
DTYPES = {"float32": mx.float32, "bfloat16": mx.bfloat16, "float16": mx.float16}
LOGIT_COPIES = 10
WIRED_SHARE = 0.75  # of unified memory: wiring all of it freezes Macs of 16 GB
CACHE_BYTES = 256 << 20  # that MLX keeps of freed buffers; without a limit it keeps all


@dataclass(frozen=True, slots=True, kw_only=True)
class MlxLm:
    """A loaded LM."""

    model: MlxQwen3
    dtype: str
    device: torch.device = HOST
    """Where draws are made."""
    launch: Launch = eager
    steps_ahead: int = 1
    crossing: Crossing = first_above

    @property
    def max_length(self) -> int:
        """Tokens its positions reach."""
        return self.model.sizes.max_length

    def bytes_of(self, spec: PassSpec, lm_slots: int) -> int:
        """Memory wanted for such a pass, weights apart."""
        sizes, rows = self.model.sizes, PAIR * lm_slots
        per_token = 2 * sizes.num_layers * sizes.kv_heads * sizes.head_dim * DTYPES[self.dtype].size
        return rows * spec.length * per_token + LOGIT_COPIES * 4 * rows * spec.logit_slice.columns

    def prefill(self, prompts: Sequence[tuple[int, ...]]) -> PromptCache:
        """A request's prompts together, alone: in a batch with others they would round otherwise."""
        longest = max(map(len, prompts)) - 1
        ids = mx.array([(*prompt[:-1], *[0] * (longest + 1 - len(prompt))) for prompt in prompts])
        memory = self.model.prefill(ids)
        mx.eval(memory)
        return PromptCache(
            memory=memory,
            last=tuple(prompt[-1] for prompt in prompts),
            lengths=tuple(len(prompt) - 1 for prompt in prompts),
        )

    def rows(self, spec: PassSpec, tokens: Tensor, positions: Tensor) -> MlxRows:
        """The rows of a pass."""
        return MlxRows(self, spec, tokens, positions)

    def target_logits(self, prompt: tuple[int, ...], texts: Sequence[tuple[int, ...]]) -> Iterator[Tensor]:
        """As the protocol says; text after text, as MLX rotates only places that follow each other."""
        memory = self.model.prefill(mx.array([prompt[:-1]]))
        hidden = mx.concatenate([self.model.follow(mx.array([[prompt[-1], *text[:-1]]]), memory) for text in texts])
        for first in range(0, len(hidden), BLOCK_TOKENS):
            logits = self.model.head(hidden[first : first + BLOCK_TOKENS]).astype(mx.float32)
            yield torch.from_numpy(np.array(logits))

    def free_bytes(self) -> int:
        """Memory that could still be had, of what Metal lets a process wire."""
        free = psutil.virtual_memory()
        if platform.system() != "Darwin":
            return free.available
        return min(free.available, int(free.total * WIRED_SHARE) - mx.get_active_memory())

    @property
    def release(self) -> Callable[[], None]:
        """What gives back what MLX keeps for later."""
        return mx.clear_cache


class MlxRows:
    """Caches in MLX; tokens, positions and logits are torch's, on the CPU, whose memory is Metal's too."""

    def __init__(self, lm: MlxLm, spec: PassSpec, tokens: Tensor, positions: Tensor) -> None:
        self._model, self._tokens, self._positions = lm.model, tokens, positions
        sizes, piece = lm.model.sizes, spec.logit_slice
        shape = (len(positions), sizes.kv_heads, spec.length, sizes.head_dim)
        # Zeros, not garbage: what lies beyond a position is weighed with 0, and 0 · NaN is NaN.
        self._keys, self._values = (
            [mx.zeros(shape, DTYPES[lm.dtype]) for _ in range(sizes.num_layers)] for _ in range(2)
        )
        end = () if piece.end is None else ((piece.end, piece.end + 1),)
        # One matrix of what can be drawn, made once: the rest of the output layer isn't computed.
        self._head = rows_of(lm.model.head, ((piece.first, piece.stop), *end))
        self._step: Any = mx.compile(self._forward)
        mx.eval(self._head.arrays, self._keys, self._values)

    def fill(self, row: int, prompts: PromptCache, index: int) -> None:
        """Put a prompt's cache into a row."""
        length = prompts.lengths[index]
        for layer, (keys, values) in enumerate(prompts.memory):
            for cache, prompt in ((self._keys, keys), (self._values, values)):
                cache[layer][row] = 0  # over whatever the slot's last request left, NaN included
                cache[layer][row, :, :length] = prompt[index, :, :length]
        mx.eval(self._keys, self._values)

    def logits(self) -> Tensor:
        """Float32 [rows, columns] of every row's last token."""
        tokens, positions = mx.array(self._tokens[:, 0].numpy()), mx.array(self._positions.numpy())
        found, self._keys, self._values = self._step(tokens, positions, self._keys, self._values)
        # All of it, or a chain of operations would grow behind the caches.
        mx.eval(found, self._keys, self._values)
        return torch.from_numpy(np.array(found))

    def _forward(
        self, tokens: mx.array, positions: mx.array, keys: list[mx.array], values: list[mx.array]
    ) -> tuple[mx.array, list[mx.array], list[mx.array]]:
        hidden, keys, values = self._model.step(tokens, positions, keys, values)
        return self._head(hidden).astype(mx.float32), keys, values
