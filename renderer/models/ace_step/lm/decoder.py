"""The LM on its device, many rows at once: prefilled prompts in, one drawn token a row and pass out.

Every shape in a pass is fixed by its kind and the number of slots, so that no row hears its neighbours.
Knows token ids, not texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.pass_spec import PAIR
from renderer.models.device import mark
from renderer.models.kernels.attention import Reach, cache_bytes, row_cache, row_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from renderer.models.ace_step.lm.pass_spec import Kind
    from renderer.models.ace_step.lm.prefill import Prefill, Prefilled
    from renderer.models.ace_step.protocol.requests import LmSampling
    from renderer.models.kernels.cuda_graph import Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Lm:
    """A loaded LM: transformers' Qwen3, and where its output layer's weight lies."""

    model: Any
    device: torch.device
    dtype: torch.dtype
    launch: Launch
    prefill: Prefill
    attention: str
    """How far a row hears in a step: `masked` or `ragged`, as `device.lm_attention` has it."""
    ahead: bool
    """Whether a step begins before the last one's tokens are read: a device beside the host needn't wait for it."""

    @property
    def weight(self) -> Tensor:
        """The output layer [vocabulary, width], which is the embedding table."""
        return cast(Tensor, self.model.lm_head.weight)

    @property
    def max_length(self) -> int:
        """Tokens its positions reach."""
        return int(self.model.config.max_position_embeddings)

    def bytes_of(self, kind: Kind, lm_slots: int) -> int:
        """Memory wanted for a pass of this kind, weights apart; logits counted as often as sampling copies them."""
        rows = PAIR * lm_slots
        logits = 10 * 4 * rows * kind.head.columns
        cached = cache_bytes(self.model.config, rows, kind.length, self.dtype)
        return cached + logits + self.prefill.bytes_to_come(self.dtype)


class Pass:
    """The rows of one kind: `num_slots` slots, each at its own position; idle ones keep writing at position 0.

    `forward` and `draw` are fixed chains of operations, in turns, that may be launched as one (`Lm.launch`) while all
    slots are idle. A forward may be run again before its draw: it leaves the same behind.
    """

    def __init__(self, lm: Lm, kind: Kind, num_slots: int) -> None:
        self._lm, self._kind, self._num_slots = lm, kind, num_slots
        self._pairs, device = kind.rows_a_slot, lm.device
        rows = self._pairs * num_slots
        self._tokens = torch.zeros(rows, 1, dtype=torch.int64, device=device)
        self._positions = torch.zeros(rows, dtype=torch.int64, device=device)
        self._live = torch.zeros(rows, dtype=torch.int64, device=device)
        self._ragged = lm.attention == "ragged"
        self._memory = row_memory(lm.model.config, rows, kind.length, lm.weight, by_token=self._ragged)
        self._cache = row_cache(self._memory, self._positions)
        self._tokens_held = torch.arange(kind.length, device=device)
        self._bits = torch.arange(32, dtype=torch.int32, device=device)
        self._logits = torch.zeros(rows, kind.head.columns, device=device)
        self._allowed = torch.ones(num_slots, kind.head.columns, dtype=torch.bool, device=device)
        # What goes up at every token, from memory the device reads by itself: no copy waits for the step under way. One
        # that is overtaken by the next, which brings all of it again, does no harm.
        pinned = device.type == "cuda"
        self._words = torch.zeros(num_slots, kind.head.num_words, dtype=torch.int32, pin_memory=pinned)
        self._asked = torch.ones(num_slots, 1, pin_memory=pinned)
        self._seen = torch.zeros(num_slots, kind.head.columns if kind.filters.penalised else 1, dtype=torch.bool)
        self._seen = self._seen.to(device)
        self._scale, self._penalty, self._temperature, self._top_p = (
            torch.ones(num_slots, 1, device=device) for _ in range(4)
        )
        self._top_k = torch.zeros(num_slots, 1, dtype=torch.int64, device=device)
        self._uniforms = torch.zeros(num_slots, kind.length, device=device)
        self._count = torch.zeros(num_slots, 1, dtype=torch.int64, device=device)
        self._drawn = torch.zeros(num_slots, dtype=torch.int64, device=device)
        self._told = torch.zeros(num_slots, dtype=torch.int64, pin_memory=pinned)

    def fill(self, slot: int, prompts: Prefilled, settings: LmSampling, uniforms: npt.NDArray[np.float32]) -> None:
        """Put a request into an idle slot: its prompts' cache, its settings, its random numbers."""
        for index, row in enumerate(self._rows_of(slot)):
            length = prompts.lengths[index]
            for held, given in zip(self._memory, prompts.memory, strict=True):
                held[:, row, :, :length] = given[:, index, :, :length]
                held[:, row, :, length:] = 0  # over whatever the slot's last request left, NaN included
            self._tokens[row], self._positions[row], self._live[row] = prompts.last[index], length, 1
        self._scale[slot], self._penalty[slot] = settings.cfg_scale, settings.repetition_penalty
        self._temperature[slot], self._top_p[slot] = settings.temperature, settings.top_p
        self._top_k[slot], self._count[slot] = settings.top_k, 0
        self._uniforms[slot, : len(uniforms)] = torch.from_numpy(uniforms).to(self._lm.device)

    def see(self, slot: int, prompt: tuple[int, ...]) -> None:
        """Count a prompt's tokens as seen, for the repetition penalty."""
        if self._kind.filters.penalised:
            self._seen[slot] = False
            self._seen[slot, self._kind.head.columns_of(torch.tensor(prompt, device=self._lm.device))] = True

    def clear(self, slot: int) -> None:
        """Make a slot idle: its rows run on at position 0, heard by nobody."""
        for row in self._rows_of(slot):
            self._tokens[row] = self._positions[row] = self._live[row] = 0

    def allow(self, packed: npt.NDArray[np.int32]) -> None:
        """What each slot may draw: packed bits [slots, head.num_words]."""
        self._words.copy_(torch.from_numpy(packed))
        words = self._words.to(self._lm.device, non_blocking=True).unsqueeze(-1)
        bits = torch.bitwise_and(torch.bitwise_right_shift(words, self._bits), 1)
        self._allowed.copy_(bits.view(self._num_slots, -1)[:, : self._kind.head.columns])

    def set_temperatures(self, temperatures: Sequence[float]) -> None:
        """One a slot; 0 is greedy."""
        self._asked.copy_(torch.tensor(temperatures).unsqueeze(-1))
        self._temperature.copy_(self._asked, non_blocking=True)

    def forward(self) -> None:
        """Run every row's last token through the LM, up to its logits."""
        heard = self._reach() if self._ragged else self._mask()
        hidden = self._lm.model.model(
            input_ids=self._tokens,
            attention_mask={"full_attention": heard},
            position_ids=self._positions.unsqueeze(-1),
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self._logits.copy_(self._kind.head.logits(self._lm.weight, hidden[:, 0]))

    def draw(self) -> None:
        """Draw a token for each slot from its logits and append it to its rows."""
        logits = self._guided()
        finite = torch.isfinite(logits).all(-1)
        columns = sampling.draw(
            self._filtered(logits.masked_fill(~self._allowed, -torch.inf)),
            self._temperature,
            self._uniforms.gather(1, self._count),
        )
        if self._kind.filters.penalised:
            self._seen.scatter_(1, columns, True)
        ids = self._kind.head.ids(columns.squeeze(1))
        self._drawn.copy_(torch.where(finite, ids, -1))
        self._tokens.copy_(ids.repeat(self._pairs).unsqueeze(-1))
        self._tokens.mul_(self._live.unsqueeze(-1))
        self._positions.add_(self._live)
        self._count.add_(self._live[: self._num_slots].unsqueeze(-1))

    def tell(self) -> Callable[[], list[int]]:
        """Send the tokens drawn for each slot to the host, -1 where the logits hold NaN or inf.

        What comes back waits for them, not for what is launched later: the one host sync of a step.
        """
        self._told.copy_(self._drawn, non_blocking=self._lm.device.type == "cuda")
        wait = mark(self._lm.device)

        def drawn() -> list[int]:
            wait()
            return self._told.tolist()

        return drawn

    def _rows_of(self, slot: int) -> range:
        """The conditional row, and the unconditional one when there is guidance."""
        return range(slot, self._pairs * self._num_slots, self._num_slots)

    def _reach(self) -> Reach:
        config = self._lm.model.config
        groups = config.num_attention_heads // config.num_key_value_heads
        return Reach.of(self._positions, self._kind.length, groups)

    def _mask(self) -> Tensor:
        """[rows, 1, 1, length], additive."""
        mask = torch.zeros(len(self._positions), self._kind.length, dtype=self._lm.dtype, device=self._lm.device)
        return mask.masked_fill(self._tokens_held > self._positions.unsqueeze(-1), -torch.inf)[:, None, None]

    def _guided(self) -> Tensor:
        if not self._kind.filters.guided:
            return self._logits
        cond, uncond = self._logits.view(2, self._num_slots, -1)
        return sampling.guide(cond, uncond, self._scale)

    def _filtered(self, logits: Tensor) -> Tensor:
        filters = self._kind.filters
        if filters.penalised:
            logits = sampling.penalise(logits, self._seen, self._penalty)
        if filters.top_k:
            logits = sampling.keep_top_k(logits, self._top_k)
        return sampling.keep_nucleus(logits, self._top_p) if filters.top_p else logits
