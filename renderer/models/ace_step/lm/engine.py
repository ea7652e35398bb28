"""Many requests through few slots: queue, refill, progress, cancellation. Token ids in, token ids out.

A slot that falls idle takes the next request of its kind at once; what a request draws depends on nothing but itself,
the number of slots, the device and its dtype. Knows neither songs nor what the tokens mean.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from renderer.errors import ResourceError, StageError
from renderer.models.ace_step.lm import sampling
from renderer.models.ace_step.lm.decoder import Pass
from renderer.models.ace_step.lm.pass_spec import Filters, Head, Kind
from renderer.models.family import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from renderer.models.ace_step.lm.decoder import Lm
    from renderer.models.ace_step.lm.prefill import Prefilled
    from renderer.models.ace_step.protocol.requests import LmSampling
    from renderer.models.family import Listener

SHORTEST = 1_024  # tokens; a pass's cache is this long or a power of two times it


class Guide(Protocol):
    """What one request may draw, and when it ends."""

    @property
    def greedy(self) -> bool:
        """Whether the next token is the most probable one, whatever the temperature."""

    def accept(self, token: int) -> bool:
        """Take a drawn token in; whether it was the last one.

        Raises: StageError when the request can't go on.
        """


class Rules(Protocol):
    """What all guides of one kind share: the part of the vocabulary, and how their masks are made."""

    @property
    def head(self) -> Head:
        """The part of the output layer that can be drawn from."""

    @property
    def steady(self) -> bool:
        """Whether a request's mask stays as it was at its start."""

    def fill(self, guides: Mapping[int, Guide], masks: npt.NDArray[np.int32]) -> None:
        """Set the masks [slots, head.num_words] of the slots given: bit c allows column c."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode:
    """One request: what to continue, how to draw, how long at most."""

    id: str
    prompt: tuple[int, ...]
    negative: tuple[int, ...] | None
    """The unconditional row's prompt; None where there is no guidance."""
    settings: LmSampling
    seed: int
    stream: int
    """Which of a seed's streams of random numbers is drawn from: phases with one seed stay independent."""
    max_tokens: int
    rules: Rules
    start: Callable[[], Guide]

    @property
    def kind(self) -> Kind:
        """What it must have in common with others to share a pass."""
        filters = Filters.of(self.settings, guided=self.negative is not None)
        longest = max(map(len, self.prompts))
        return Kind(length=cache_length(longest + self.max_tokens), head=self.rules.head, filters=filters)

    @property
    def prompts(self) -> tuple[tuple[int, ...], ...]:
        """The prompts of its rows."""
        return (self.prompt,) if self.negative is None else (self.prompt, self.negative)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A request's tokens, the ending one included, and how long it held its slot."""

    id: str
    tokens: tuple[int, ...]
    seconds: float


@dataclass(slots=True, kw_only=True)
class _Flight:
    """A request in its slot."""

    decode: Decode
    guide: Guide
    began: float
    tokens: list[int] = field(default_factory=list)


def cache_length(num_tokens: int) -> int:
    """The class of cache that holds so many tokens."""
    length = SHORTEST
    while length < num_tokens:
        length *= 2
    return length


@torch.inference_mode()
def decode_all(
    lm: Lm, decodes: Sequence[Decode], lm_slots: int, free_bytes: int, listener: Listener
) -> Iterator[Decoded | Failed]:
    """Every request's tokens, as they come; cancelled ones yield nothing.

    `lm_slots` pairs of rows: so many requests at once with guidance, twice as many without.

    Raises: ResourceError when a pass of so many rows doesn't fit into `free_bytes`.
    """
    fitting = []
    for decode in decodes:
        if decode.kind.length <= lm.max_length:
            fitting.append(decode)
        else:
            yield _too_long(decode, lm.max_length)
    passes = _passes(fitting)
    for kind, _ in passes:
        _check_fits(lm, kind, lm_slots, free_bytes)
    for kind, queue in passes:
        yield from _Decoding(lm, kind, kind.num_slots(lm_slots), listener).run(deque(queue))


def _passes(decodes: Sequence[Decode]) -> list[tuple[Kind, list[Decode]]]:
    """Requests by kind, short caches first; inside a kind the longest first, those with one prompt side by side."""
    kinds: dict[Kind, list[Decode]] = {}
    first: dict[tuple[tuple[int, ...], ...], int] = {}
    for number, decode in enumerate(decodes):
        kinds.setdefault(decode.kind, []).append(decode)
        first.setdefault(decode.prompts, number)
    ordered = sorted(kinds.items(), key=lambda entry: entry[0].length)
    # The sort is stable: what is equally long keeps the order it was asked in.
    return [(kind, sorted(same, key=lambda one: (-one.max_tokens, first[one.prompts]))) for kind, same in ordered]


def _check_fits(lm: Lm, kind: Kind, lm_slots: int, free_bytes: int) -> None:
    needed = lm.bytes_of(kind, lm_slots)
    if needed <= free_bytes:
        return
    fitting = max((slots for slots in range(1, lm_slots) if lm.bytes_of(kind, slots) <= free_bytes), default=0)
    raise ResourceError(
        f"{lm_slots} LM slots don't fit into memory",
        why=f"songs of {kind.length:,} tokens need {needed / 1e9:.1f} GB, {free_bytes / 1e9:.1f} GB are free",
        help=f"use --lm-slots {fitting}" if fitting else "close other programs, or use a smaller LM",
    )


class _Decoding:
    """One kind's requests on their way through the slots."""

    def __init__(self, lm: Lm, kind: Kind, num_slots: int, listener: Listener) -> None:
        self._lm, self._kind, self._listener = lm, kind, listener
        self._pass = Pass(lm, kind, num_slots)
        # Bound here, not inside the pass: what refers to itself would hold its memory until Python cleans up.
        self._forward, self._draw = lm.launch(self._pass.forward), lm.launch(self._pass.draw)
        self._masks = np.full((num_slots, kind.head.num_words), -1, dtype=np.int32)
        self._free = list(range(num_slots))
        self._flights: dict[int, _Flight] = {}
        self._prompts: tuple[tuple[int, ...], ...] = ()
        self._prefilled: Prefilled | None = None
        self._forwarded = False

    def run(self, queue: deque[Decode]) -> Iterator[Decoded | Failed]:
        while queue or self._flights:
            while queue and self._free:
                yield from self._begin(queue.popleft())
            if self._flights:
                yield from self._advance(refills=bool(queue))

    def _begin(self, decode: Decode) -> Iterator[Failed]:
        if self._listener.cancelled(decode.id):
            return
        try:
            guide = decode.start()
        except StageError as error:
            yield _failed(decode, error)
            return
        slot = self._free.pop(0)
        randoms = sampling.uniforms(decode.seed, decode.stream, decode.max_tokens)
        began = time.monotonic()
        self._pass.fill(slot, self._prefill(decode), decode.settings, randoms)
        self._pass.see(slot, decode.prompt)
        self._flights[slot] = _Flight(decode=decode, guide=guide, began=began)
        self._forwarded = False
        self._allow({slot: guide})

    def _prefill(self, decode: Decode) -> Prefilled:
        """The prompts' cache, made once for takes that follow each other with the same prompts."""
        if self._prefilled is None or decode.prompts != self._prompts:
            self._prompts, self._prefilled = decode.prompts, self._lm.prefill(decode.prompts)
        return self._prefilled

    def _advance(self, *, refills: bool) -> Iterator[Decoded | Failed]:
        if not self._forwarded:
            self._forward()
        # While the device computes, the host works out what each row may draw.
        self._guide()
        self._draw()
        drawn = self._pass.tell()
        # A slot that is refilled needs the forward anew: not where any token may be a request's last and others wait.
        self._forwarded = self._lm.ahead and (self._steady or not refills)
        if self._forwarded:
            self._forward()
        for slot, token in enumerate(drawn()):
            if slot in self._flights:
                yield from self._take(slot, token)

    @property
    def _steady(self) -> bool:
        return next(iter(self._flights.values())).decode.rules.steady

    def _guide(self) -> None:
        """Make the masks of all rows, for rules that change them at every token."""
        if self._steady:
            return
        self._allow({slot: flight.guide for slot, flight in self._flights.items()})
        temperatures = [1.0] * len(self._masks)
        for slot, flight in self._flights.items():
            temperatures[slot] = 0.0 if flight.guide.greedy else flight.decode.settings.temperature
        self._pass.set_temperatures(temperatures)

    def _allow(self, guides: Mapping[int, Guide]) -> None:
        rules = next(iter(self._flights.values())).decode.rules
        rules.fill(guides, self._masks)
        self._pass.allow(self._masks)

    def _take(self, slot: int, token: int) -> Iterator[Decoded | Failed]:
        """A slot's new token: on to the next one, or out of the slot."""
        flight = self._flights[slot]
        decode = flight.decode
        if self._listener.cancelled(decode.id):
            self._leave(slot)
            return
        try:
            ended = self._accept(flight, token)
        except StageError as error:
            self._leave(slot)
            yield _failed(decode, error)
            return
        self._listener.progress(decode.id, len(flight.tokens), decode.max_tokens, "tokens")
        if ended or len(flight.tokens) == decode.max_tokens:
            self._leave(slot)
            yield Decoded(id=decode.id, tokens=tuple(flight.tokens), seconds=time.monotonic() - flight.began)

    def _accept(self, flight: _Flight, token: int) -> bool:
        if token < 0:
            raise StageError(
                "the LM's logits hold NaN or inf",
                why=f"in {self._lm.dtype} a value grew beyond what the format holds, or the weights are damaged",
                help="use --dtype bfloat16 or float32; if that is in use, download the LM again",
            )
        flight.tokens.append(token)
        return flight.guide.accept(token)

    def _leave(self, slot: int) -> None:
        del self._flights[slot]
        self._pass.clear(slot)
        self._free.append(slot)


def _too_long(decode: Decode, max_length: int) -> Failed:
    return Failed(
        id=decode.id,
        message="caption, lyrics and codes are too long for the LM",
        why=f"they need {len(decode.prompt) + decode.max_tokens:,} tokens, it reaches {max_length:,}",
        help="shorten the lyrics or `duration`",
    )


def _failed(decode: Decode, error: StageError) -> Failed:
    return Failed(id=decode.id, message=error.message, why=error.why, help=error.help)
