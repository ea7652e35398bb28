"""The LM on its device, many rows at once: prefilled prompts in, one drawn token a row and pass out.

Knows token ids, not texts. Three invariants hold here, on which the engine builds:

- A row's bits don't depend on its neighbours. Every shape in a pass follows from its spec and the number of slots, on a
  CPU a row's attention also from its own position. Each row has its own position, what lies beyond it is masked or not
  read, and draws take the request's own numbers. Idle rows run on at position 0 rather than being left out, which would
  be another shape and another rounding.
- A forward may be run again before its draw: it writes the same token's keys and values at the same position.
- Off the CPU nothing in `forward` and `draw` waits for the host or has a shape that follows from data, so each may be a
  CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.pass_spec import PAIR
from renderer.models.ace_step.lm.teacher_forcing import target_logits
from renderer.models.device import free_bytes, mark, release, upload
from renderer.models.kernels.kv_cache import cache_bytes, row_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    from transformers.cache_utils import Cache

    from renderer.models.ace_step.lm.pass_spec import PassSpec
    from renderer.models.ace_step.lm.prefill import Prefill, PromptCache
    from renderer.models.ace_step.lm.sampling import Crossing
    from renderer.models.ace_step.lm.teacher_forcing import TextForward
    from renderer.models.kernels.cuda_graph import Launch
    from renderer.models.kernels.decode_attention import DecodeAttention, MakeDecodeAttention
    from renderer.settings import LmSampling


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentLm:
    """A loaded LM: transformers' Qwen3, where its output layer's weight lies, and how this device runs it."""

    model: Any
    device: torch.device
    dtype: torch.dtype
    launch: Launch
    prefill: Prefill
    texts: TextForward
    make_rows: MakeRows
    steps_ahead: int
    """Steps that may be launched before the tokens of the first are read: a device beside the host needn't wait for it.

    1 where each is read before the next begins."""
    crossing: Crossing = sampling.first_above
    """How draws look for their column."""

    @property
    def weight(self) -> Tensor:
        """The output layer [vocabulary, width], which is the embedding table."""
        return cast(Tensor, self.model.lm_head.weight)

    @property
    def is_packed(self) -> bool:
        """Whether its layers' weights are; then each pass packs its part of the output layer, too."""
        return bool(self.model.model.layers[0].mlp.down.is_mkldnn)

    @property
    def max_length(self) -> int:
        """Tokens its positions reach."""
        return int(self.model.config.max_position_embeddings)

    def bytes_of(self, spec: PassSpec, lm_slots: int) -> int:
        """Memory wanted for such a pass, weights apart; logits counted as often as sampling copies them."""
        rows = PAIR * lm_slots
        logits = 10 * 4 * rows * spec.logit_slice.columns
        cached = cache_bytes(self.model.config, rows, spec.length, self.dtype)
        head = spec.logit_slice.columns * self.weight.shape[1] * self.dtype.itemsize if self.is_packed else 0
        return cached + logits + head + self.prefill.bytes_to_come(self.dtype)

    def rows(self, spec: PassSpec, tokens: Tensor, positions: Tensor) -> Rows:
        """The rows of a pass."""
        return self.make_rows(self, spec, tokens, positions)

    def target_logits(self, prompt: tuple[int, ...], texts: Sequence[tuple[int, ...]]) -> Iterator[Tensor]:
        """As the protocol says."""
        return target_logits(self.texts, self.weight, prompt, texts)

    def free_bytes(self) -> int:
        """Memory that a pass may take."""
        return free_bytes(self.device)

    @property
    def release(self) -> Callable[[], None]:
        """What gives back what its weights held, once they are dropped."""
        return partial(release, self.device)


class Rows(Protocol):
    """The model's side of a pass: each row's cache, and the logits of its last token."""

    def fill(self, row: int, prompts: PromptCache, index: int) -> None:
        """Put one of the prompts' caches into a row, over whatever its last request left."""

    def logits(self) -> Tensor:
        """Float32 [rows, columns] of every row's last token, which is written at the row's position."""


class MakeRows(Protocol):
    """How a resident LM's rows are computed, for a pass."""

    def __call__(self, lm: ResidentLm, spec: PassSpec, tokens: Tensor, positions: Tensor) -> Rows:
        """See `LoadedLm.rows`."""


class LoadedLm(Protocol):
    """An LM on its device, by whatever library: what the engine drives."""

    @property
    def device(self) -> torch.device:
        """Where tokens are drawn."""

    @property
    def dtype(self) -> object:
        """What it computes in."""

    @property
    def launch(self) -> Launch:
        """How a step's operations are launched."""

    @property
    def steps_ahead(self) -> int:
        """Steps that may be launched before the tokens of the first are read; 1 where each is read at once."""

    @property
    def crossing(self) -> Crossing:
        """How draws look for their column."""

    @property
    def max_length(self) -> int:
        """Tokens its positions reach."""

    @property
    def prefill(self) -> Callable[[Sequence[tuple[int, ...]]], PromptCache]:
        """A request's prompts to their cache."""

    def bytes_of(self, spec: PassSpec, lm_slots: int) -> int:
        """Memory wanted for such a pass, weights apart."""

    def rows(self, spec: PassSpec, tokens: Tensor, positions: Tensor) -> Rows:
        """The rows of a pass; `tokens` [rows, 1] and `positions` [rows] are read anew at each step."""

    def target_logits(self, prompt: tuple[int, ...], texts: Sequence[tuple[int, ...]]) -> Iterator[Tensor]:
        """The logits [tokens, vocabulary] that foretell the tokens of texts behind a prompt; surplus columns hold -inf.

        Each text follows the prompt itself; they come one behind the other, `BLOCK_TOKENS` tokens at a time.
        """

    def free_bytes(self) -> int:
        """Memory that a pass may take."""

    @property
    def release(self) -> Callable[[], None]:
        """What gives back what its weights held, once they are dropped: it doesn't hold them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchRows:
    """By transformers' model."""

    lm: ResidentLm
    spec: PassSpec
    tokens: Tensor
    positions: Tensor
    attention: DecodeAttention
    kv_cache: Cache

    @classmethod
    def of(
        cls, attention: MakeDecodeAttention, lm: ResidentLm, spec: PassSpec, tokens: Tensor, positions: Tensor
    ) -> TorchRows:
        """With an attention, as `MakeRows` says."""
        made = attention(lm.model.config, positions, spec.length, lm.weight)
        cache = row_cache(made.memory, positions)
        return cls(lm=lm, spec=spec, tokens=tokens, positions=positions, attention=made, kv_cache=cache)

    def fill(self, row: int, prompts: PromptCache, index: int) -> None:
        """As the protocol says."""
        fill_row(self.attention.memory, row, prompts, index)

    def logits(self) -> Tensor:
        """As the protocol says."""
        hidden = self.lm.model.model(
            input_ids=self.tokens,
            attention_mask={"full_attention": self.attention.mask()},
            position_ids=self.positions.unsqueeze(-1),
            past_key_values=self.kv_cache,
            use_cache=True,
        ).last_hidden_state
        return self.spec.logit_slice.logits(self.lm.weight, hidden[:, 0])


def fill_row(memory: Sequence[Tensor], row: int, prompts: PromptCache, index: int) -> None:
    """Put one of the prompts' caches into a row of each layer's memory, over all that was there."""
    length = prompts.lengths[index]
    for layer, prompt in zip(memory, prompts.memory, strict=True):
        layer[:, row, :, :length] = prompt[:, index, :, :length]
        layer[:, row, :, length:] = 0  # NaN included


class Pass:
    """The rows of one spec: `num_slots` slots, each at its own position; idle ones keep writing at position 0.

    `forward` and `draw` are fixed chains of operations, in turns, that may be launched as one (`ResidentLm.launch`)
    while all slots are idle.
    """

    def __init__(self, lm: LoadedLm, spec: PassSpec, num_slots: int) -> None:
        self._lm, self._spec, self._num_slots = lm, spec, num_slots
        self._rows_a_slot, device = spec.rows_a_slot, lm.device
        rows, columns = self._rows_a_slot * num_slots, spec.logit_slice.columns
        # All state is a tensor of fixed shape, written in place: a recorded step reads and writes these addresses.
        self._tokens = torch.zeros(rows, 1, dtype=torch.int64, device=device)
        self._positions = torch.zeros(rows, dtype=torch.int64, device=device)
        self._live = torch.zeros(rows, dtype=torch.int64, device=device)
        self._rows = lm.rows(spec, self._tokens, self._positions)
        self._bits = torch.arange(32, dtype=torch.int32, device=device)
        self._logits: Tensor  # the forward's own
        self._banned = torch.zeros(num_slots, columns, dtype=torch.bool, device=device)
        self._seen = torch.zeros(num_slots, columns if spec.features.penalised else 1, dtype=torch.bool)
        self._seen = self._seen.to(device)
        self._scale, self._penalty, self._temperature, self._top_p = (
            torch.ones(num_slots, 1, device=device) for _ in range(4)
        )
        self._top_k = torch.zeros(num_slots, 1, dtype=torch.int64, device=device)
        # All of a request's random numbers go up at its start, so that which one is drawn with is its own count's.
        self._uniforms = torch.zeros(num_slots, spec.length, device=device)
        self._count = torch.zeros(num_slots, 1, dtype=torch.int64, device=device)
        # The last steps' tokens, the newest behind: the host may read them when several have been drawn.
        self._drawn = torch.zeros(lm.steps_ahead, num_slots, dtype=torch.int64, device=device)

    @property
    def num_rows(self) -> int:
        """Of all slots."""
        return len(self._tokens)

    def fill(self, slot: int, prompts: PromptCache, settings: LmSampling, uniforms: npt.NDArray[np.float32]) -> None:
        """Put a request into an idle slot: its prompts' cache, its settings, its random numbers."""
        for index, row in enumerate(self._rows_of(slot)):
            self._rows.fill(row, prompts, index)
            self._tokens[row], self._positions[row] = prompts.last[index], prompts.lengths[index]
            self._live[row] = 1
        self._scale[slot], self._penalty[slot] = settings.lm_cfg_scale, settings.lm_repetition_penalty
        self._temperature[slot], self._top_p[slot] = settings.lm_temperature, settings.lm_top_p
        self._top_k[slot], self._count[slot] = settings.lm_top_k, 0
        self._uniforms[slot, : len(uniforms)] = upload(torch.from_numpy(uniforms), self._lm.device)

    def mark_seen(self, slot: int, prompt: tuple[int, ...]) -> None:
        """Count a prompt's tokens as seen, for the repetition penalty."""
        if self._spec.features.penalised:
            columns = self._spec.logit_slice.columns_of(torch.tensor(prompt))
            self._seen[slot] = False
            self._seen[slot, upload(columns, self._lm.device)] = True

    def clear(self, slot: int) -> None:
        """Make a slot idle: its rows run on at position 0, and nobody reads what they draw."""
        for row in self._rows_of(slot):
            self._tokens[row] = self._positions[row] = self._live[row] = 0

    def set_mask(self, packed: npt.NDArray[np.int32]) -> None:
        """What each slot may draw: packed bits [slots, logit_slice.num_words]."""
        words = upload(torch.from_numpy(packed), self._lm.device).unsqueeze(-1)
        bits = torch.bitwise_and(torch.bitwise_right_shift(words, self._bits), 1)
        self._banned.copy_(bits.view(self._num_slots, -1)[:, : self._spec.logit_slice.columns] == 0)

    def set_temperatures(self, temperatures: Sequence[float]) -> None:
        """One a slot; 0 is greedy."""
        self._temperature.copy_(upload(torch.tensor(temperatures), self._lm.device).unsqueeze(-1))

    def forward(self) -> None:
        """Run every row's last token through the LM, up to its logits."""
        # Recorded, they lie where the recording put them: `draw` is recorded behind it.
        self._logits = self._rows.logits()

    def draw(self) -> None:
        """Draw a token for each slot from its logits and append it to its rows."""
        logits = self._guide()
        # Before the mask, which brings infinities of its own.
        finite = sampling.is_finite(logits)
        columns = sampling.draw(
            self._filter(logits.masked_fill(self._banned, -torch.inf)),
            self._temperature,
            self._uniforms.gather(1, self._count),
            self._lm.crossing,
        )
        if self._spec.features.penalised:
            self._seen.scatter_(1, columns, True)
        ids = self._spec.logit_slice.ids(columns.squeeze(1))
        # A NaN is told by a token that can't be, as raising would mean to wait for the device.
        drawn = torch.where(finite, ids, -1)
        self._drawn.copy_(torch.cat([self._drawn[1:], drawn.unsqueeze(0)]))
        self._tokens.copy_(ids.repeat(self._rows_a_slot).unsqueeze(-1))
        # Idle rows stay where they are, by a factor of 0: a branch would be the host's to decide.
        self._tokens.mul_(self._live.unsqueeze(-1))
        self._positions.add_(self._live)
        self._count.add_(self._live[: self._num_slots].unsqueeze(-1))

    def fetch_tokens(self, num_steps: int = 1) -> Callable[[], list[list[int]]]:
        """Start the copy of the last steps' tokens to the host; what comes back waits for it and gives [steps][slots].

        A token is -1 where the logits hold NaN or inf. The wait is for these tokens, not for what is launched later:
        the one host sync of so many steps.
        """
        # A copy first: the draws to come move what is there, and on a CPU a slice is no copy.
        device = self._lm.device
        host = self._drawn[-num_steps:].clone().to("cpu", non_blocking=device.type == "cuda")
        wait = mark(device)

        def wait_for_tokens() -> list[list[int]]:
            wait()
            return cast("list[list[int]]", host.tolist())

        return wait_for_tokens

    def _rows_of(self, slot: int) -> range:
        """The conditional row, and the unconditional one when there is guidance."""
        # All conditional rows lie before all unconditional ones: guidance is then two halves, not every other row.
        return range(slot, self._rows_a_slot * self._num_slots, self._num_slots)

    def _guide(self) -> Tensor:
        if not self._spec.features.guided:
            return self._logits
        cond, uncond = self._logits.view(2, self._num_slots, -1)
        return sampling.guide(cond, uncond, self._scale)

    def _filter(self, logits: Tensor) -> Tensor:
        features = self._spec.features
        if features.penalised:
            logits = sampling.penalise(logits, self._seen, self._penalty)
        if features.top_k:
            logits = sampling.keep_top_k(logits, self._top_k)
        return sampling.keep_nucleus(logits, self._top_p, self._lm.crossing) if features.top_p else logits
