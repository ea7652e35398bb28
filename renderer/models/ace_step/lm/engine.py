"""Many requests through few slots: queue, refill, progress, cancellation. Token ids in, token ids out.

A slot that falls idle takes the next request of its pass at once. What a request draws depends on nothing but itself,
the number of slots, the device and its dtype: not on who shares the pass, nor on the order of the queue. So a take made
alone and the same take made in a night's batch are the same bits, which is what its key promises. Knows neither songs
nor what the tokens mean.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from renderer.errors import ResourceError, StageError
from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.decode_request import DecodeResult
from renderer.models.ace_step.lm.decoder import Pass
from renderer.models.stage_job import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from renderer.models.ace_step.lm.decode_request import ConstraintSet, DecodeRequest, LogitConstraint
    from renderer.models.ace_step.lm.decoder import LoadedLm
    from renderer.models.ace_step.lm.pass_spec import PassSpec
    from renderer.models.ace_step.lm.prefill import PromptCache
    from renderer.models.stage_job import Listener

ROWS_AHEAD = 512  # rows × steps launched unread, and as many behind them: a cancellation waits for less than 0.2 s


@dataclass(slots=True, kw_only=True)
class _ActiveRequest:
    """A request in its slot."""

    request: DecodeRequest
    constraint: LogitConstraint
    began: float
    num_launched: int = 0
    """Tokens drawn or about to be: it leaves its slot when they are as many as it may have."""
    tokens: list[int] = field(default_factory=list)
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """Steps that were launched together, their tokens not yet read."""

    requests: Mapping[int, _ActiveRequest]
    """By slot."""
    wait_for_tokens: Callable[[], list[list[int]]]


@torch.inference_mode()
def decode_all(
    lm: LoadedLm, requests: Sequence[DecodeRequest], lm_slots: int, free_bytes: int, listener: Listener
) -> Iterator[DecodeResult | Failed]:
    """Every request's tokens, as they come; cancelled ones yield nothing.

    `lm_slots` pairs of rows: so many requests at once with guidance, twice as many without.

    Raises: ResourceError when a pass of so many rows doesn't fit into `free_bytes`.
    """
    fitting = []
    for request in requests:
        if request.pass_spec.length <= lm.max_length:
            fitting.append(request)
        else:
            yield _too_long(request, lm.max_length)
    passes = _passes(fitting)
    for spec, _ in passes:
        _check_fits(lm, spec, lm_slots, free_bytes)
    for spec, queue in passes:
        yield from _PassRunner(lm, spec, spec.num_slots(lm_slots), listener).run(deque(queue))


def _passes(requests: Sequence[DecodeRequest]) -> list[tuple[PassSpec, list[DecodeRequest]]]:
    """Requests by pass, short caches first; inside a pass the longest first, those with one prompt side by side."""
    passes: dict[PassSpec, list[DecodeRequest]] = {}
    first: dict[tuple[tuple[int, ...], ...], int] = {}
    for number, request in enumerate(requests):
        passes.setdefault(request.pass_spec, []).append(request)
        first.setdefault(request.prompts, number)
    ordered = sorted(passes.items(), key=lambda entry: entry[0].length)
    # The longest begin first, so that a pass doesn't end with one long song among idle slots. The sort is stable: what
    # is equally long keeps the order it came in.
    return [(spec, sorted(queue, key=lambda one: (-one.max_tokens, first[one.prompts]))) for spec, queue in ordered]


def _check_fits(lm: LoadedLm, spec: PassSpec, lm_slots: int, free_bytes: int) -> None:
    needed = lm.bytes_of(spec, lm_slots)
    if needed <= free_bytes:
        return
    fitting = max((slots for slots in range(1, lm_slots) if lm.bytes_of(spec, slots) <= free_bytes), default=0)
    raise ResourceError(
        f"{lm_slots} LM slots don't fit into memory",
        why=f"songs of {spec.length:,} tokens need {needed / 1e9:.1f} GB, {free_bytes / 1e9:.1f} GB are free",
        help=f"use --lm-slots {fitting}" if fitting else "close other programs, or use a smaller LM",
    )


class _PassRunner:
    """One pass's requests on their way through the slots.

    `run` alternates two moves: requests begin in idle slots, then all slots advance by a flight of some tokens. Where
    the host needn't see a token before the next, a flight has several and a second one is launched before the first is
    read: so a device beside the host doesn't wait for it, however busy that is. What a request draws follows from its
    own count and from nothing that the host does meanwhile.
    """

    def __init__(self, lm: LoadedLm, spec: PassSpec, num_slots: int, listener: Listener) -> None:
        self._lm, self._listener = lm, listener
        self._pass = Pass(lm, spec, num_slots)
        # Bound here, not inside the pass: what refers to itself would hold its memory until Python cleans up.
        self._forward, self._draw = lm.launch(self._pass.forward), lm.launch(self._pass.draw)
        self._masks = np.full((num_slots, spec.logit_slice.num_words), -1, dtype=np.int32)
        self._idle = list(range(num_slots))
        self._active: dict[int, _ActiveRequest] = {}
        self._prompts: tuple[tuple[int, ...], ...] = ()
        self._prompt_cache: PromptCache | None = None
        self._forwarded = False
        """Whether the next draw's logits are there, or on their way."""

    def run(self, queue: deque[DecodeRequest]) -> Iterator[DecodeResult | Failed]:
        flights: deque[_Flight] = deque()
        while queue or self._active or flights:
            while queue and self._idle:
                yield from self._begin(queue.popleft())
            if self._active:
                flights.append(self._launch(refills=bool(queue)))
            while len(flights) > self._num_unread:
                yield from self._land(flights.popleft())

    @property
    def _num_unread(self) -> int:
        """Flights that may be under way while the next one is made ready."""
        return int(bool(self._active) and self._steady and self._lm.steps_ahead > 1)

    def _begin(self, request: DecodeRequest) -> Iterator[Failed]:
        if self._listener.cancelled(request.id):
            return
        try:
            constraint = request.start()
        except StageError as error:
            yield _failed(request, error)
            return
        # Any slot will do: a request draws the same in each.
        slot = self._idle.pop(0)
        uniforms = sampling.uniforms(request.seed, request.stream, request.max_tokens)
        began = time.monotonic()
        self._pass.fill(slot, self._prefill(request), request.settings, uniforms)
        self._pass.mark_seen(slot, request.prompt)
        self._active[slot] = _ActiveRequest(request=request, constraint=constraint, began=began)
        # A forward that was launched already knows nothing of this slot; run again, it gives the others the same.
        self._forwarded = False
        self._set_mask({slot: constraint})

    def _prefill(self, request: DecodeRequest) -> PromptCache:
        """The prompts' cache, made once for takes that follow each other with the same prompts."""
        if self._prompt_cache is None or request.prompts != self._prompts:
            self._prompts, self._prompt_cache = request.prompts, self._lm.prefill(request.prompts)
        return self._prompt_cache

    def _launch(self, *, refills: bool) -> _Flight:
        """Draw a token for each slot, or a few where nothing about the next one has to be known first."""
        requests, num_steps = dict(self._active), self._num_steps()
        # While the device computes, the host works out what each row may draw.
        if not self._forwarded:
            self._forward()
        self._constrain()
        self._draw()
        for _ in range(num_steps - 1):
            self._forward()
            self._draw()
        wait_for_tokens = self._pass.fetch_tokens(num_steps)
        # The next forward begins before the tokens are read, so that the device needn't wait for the host. A slot that
        # is refilled needs it anew: so not where others wait. Nor where the next flight begins before that anyway.
        self._forwarded = self._lm.steps_ahead > 1 and not self._steady and not refills
        if self._forwarded:
            self._forward()
        for slot, active in requests.items():
            active.num_launched += num_steps
            # Before its tokens are read: whoever waits takes the slot in the next flight.
            if active.num_launched == active.request.max_tokens:
                self._leave(slot)
        return _Flight(requests=requests, wait_for_tokens=wait_for_tokens)

    def _num_steps(self) -> int:
        """Steps of the next flight: none goes on beyond the count of the request that is nearest to it."""
        if not self._steady:
            return 1
        left = (active.request.max_tokens - active.num_launched for active in self._active.values())
        return min(self._lm.steps_ahead, max(1, ROWS_AHEAD // self._pass.num_rows), *left)

    @property
    def _constraints(self) -> ConstraintSet:
        """One for all of a pass: requests share it by its slice of the logits."""
        return next(iter(self._active.values())).request.constraints

    @property
    def _steady(self) -> bool:
        return self._constraints.steady

    def _constrain(self) -> None:
        """Make the masks of all rows, for constraints that change them at every token."""
        if self._steady:
            return
        self._set_mask({slot: active.constraint for slot, active in self._active.items()})
        # Of a field that is better not drawn (a language) only the likeliest token counts, at that step alone.
        temperatures = [1.0] * len(self._masks)
        for slot, active in self._active.items():
            temperatures[slot] = 0.0 if active.constraint.greedy else active.request.settings.lm_temperature
        self._pass.set_temperatures(temperatures)

    def _set_mask(self, constraints: Mapping[int, LogitConstraint]) -> None:
        self._constraints.fill(constraints, self._masks)
        self._pass.set_mask(self._masks)

    def _land(self, flight: _Flight) -> Iterator[DecodeResult | Failed]:
        tokens = flight.wait_for_tokens()
        for slot, active in flight.requests.items():
            # One that ended in a flight before was launched on before anybody knew.
            if not active.over:
                yield from self._take(slot, active, [step[slot] for step in tokens])

    def _take(self, slot: int, active: _ActiveRequest, tokens: Sequence[int]) -> Iterator[DecodeResult | Failed]:
        """A slot's new tokens: on to the next ones, or out of the slot."""
        request = active.request
        # Asked at each flight: a song of ten minutes is 3,000 tokens.
        if self._listener.cancelled(request.id):
            self._end(slot, active)
            return
        try:
            ended = any(self._accept(active, token) for token in tokens)
        except StageError as error:
            self._end(slot, active)
            yield _failed(request, error)
            return
        self._listener.progress(request.id, len(active.tokens), request.max_tokens, "tokens")
        if ended or len(active.tokens) == request.max_tokens:
            self._end(slot, active)
            seconds = time.monotonic() - active.began
            yield DecodeResult(id=request.id, tokens=tuple(active.tokens), seconds=seconds)

    def _accept(self, active: _ActiveRequest, token: int) -> bool:
        if token < 0:
            raise StageError(
                "the LM's logits hold NaN or inf",
                why=f"in {self._lm.dtype} a value grew beyond what the format holds, or the weights are damaged",
                help="use --dtype bfloat16 or float32; if that is in use, download the LM again",
            )
        active.tokens.append(token)
        return active.constraint.accept(token)

    def _end(self, slot: int, active: _ActiveRequest) -> None:
        active.over = True
        if self._active.get(slot) is active:
            self._leave(slot)

    def _leave(self, slot: int) -> None:
        del self._active[slot]
        self._pass.clear(slot)
        self._idle.append(slot)


def _too_long(request: DecodeRequest, max_length: int) -> Failed:
    return Failed(
        id=request.id,
        message="caption, lyrics and codes are too long for the LM",
        why=f"they need {len(request.prompt) + request.max_tokens:,} tokens, it reaches {max_length:,}",
        help="shorten the lyrics or `duration`",
    )


def _failed(request: DecodeRequest, error: StageError) -> Failed:
    return Failed(id=request.id, message=error.message, why=error.why, help=error.help)
