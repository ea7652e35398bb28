"""The LM's two phases: a stage's job to what the engine is asked, its tokens to what the stage hands on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, cast

import numpy as np

from renderer.artifacts import Codes, Cot
from renderer.errors import StageError
from renderer.facts import CODE_RATE
from renderer.models.ace_step.lm.constraints import (
    CodesConstraint,
    CodesConstraints,
    CotConstraints,
    FreeConstraint,
    FreeConstraints,
)
from renderer.models.ace_step.lm.decode_request import DecodeRequest
from renderer.models.ace_step.lm.grammar import MAX_COT_TOKENS, CotGrammar
from renderer.models.ace_step.protocol import prompt
from renderer.models.ace_step.protocol.metas import parse_cot, think_yaml, user_metas_as_cot
from renderer.provenance import CodesNotes, CotNotes

if TYPE_CHECKING:
    from collections.abc import Callable

    from renderer.artifacts import CotMetas
    from renderer.models.ace_step.lm.decode_request import ConstraintSet, DecodeResult, LogitConstraint
    from renderer.models.ace_step.protocol.requests import CodesRequest, CotRequest
    from renderer.models.ace_step.protocol.tokens import Tokens
    from renderer.models.stage_job import StageJob
    from renderer.settings import LmSampling

FREE_EXTRA = 500
"""Tokens beyond the codes asked for, where nothing makes the LM end on time.

Source: ace-step/ACE-Step-1.5, acestep/llm_inference.py
"""
_Notes = TypeVar("_Notes", CotNotes, CodesNotes)
# Both phases draw by one seed: without streams of their own a chain of thought and its codes would share numbers.
_COT_STREAM, _CODES_STREAM = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedJob:
    """A job ready for the engine, with its prompts as text."""

    request: DecodeRequest
    prompt: str
    negative: str | None
    """None where there is no guidance."""

    def notes(self, kind: type[_Notes], result: DecodeResult) -> _Notes:
        """How it was made, for the recipe."""
        return kind(
            prompt=self.prompt,
            negative_prompt=self.negative,
            prompt_tokens=len(self.request.prompt),
            tokens=len(result.tokens),
            seconds=result.seconds,
        )


class Phase(Protocol):
    """What one stage asks of the LM."""

    def prepare(self, job: StageJob) -> PreparedJob:
        """The job as prompts, rules and random numbers.

        Raises: StageError when it can't be asked.
        """

    def read(self, prepared: PreparedJob, result: DecodeResult) -> Cot | Codes:
        """The tokens as a result.

        Raises: StageError when they hold none.
        """


class CotPhase:
    """Caption and lyrics to a chain of thought."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._grammar = CotGrammar(tokens)
        self._constraints, self._free = CotConstraints(self._grammar), FreeConstraints(tokens)

    def prepare(self, job: StageJob) -> PreparedJob:
        """The prompt up to the assistant's turn, under the grammar of what the user left open."""
        request = cast("CotRequest", job.request)
        self._tokens.refuse_control_tokens(caption=request.caption, lyrics=request.lyrics)
        texts = _Texts(prompt.cot_prompt(request.caption, request.lyrics), None)
        prepared = partial(
            _prepare,
            self._tokens,
            job.id,
            request,
            texts,
            seed=request.lm_seed,
            stream=_COT_STREAM,
            max_tokens=MAX_COT_TOKENS,
        )
        if request.use_constrained_decoding:
            start = partial(self._grammar.start, request)
            return prepared(constraints=self._constraints, start=start)
        start_free = partial(FreeConstraint, tokens=self._tokens, max_codes=None)
        return prepared(constraints=self._free, start=start_free)

    def read(self, prepared: PreparedJob, result: DecodeResult) -> Cot:
        """The text as generated, without the token that ended it, and what it says."""
        written = tuple(token for token in result.tokens if token not in self._tokens.stops)
        text = self._tokens.decode(written)
        return Cot(text=text, metas=parse_cot(text), notes=prepared.notes(CotNotes, result))


class CodesPhase:
    """Caption, lyrics and the think block to audio codes."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._constraints, self._free = CodesConstraints(tokens), FreeConstraints(tokens)

    def prepare(self, job: StageJob) -> PreparedJob:
        """The prompt with the chain of thought's YAML, or the user's metas where there is none."""
        request, cot = cast("CodesRequest", job.request), cast("Cot | None", job.upstream.get("cot"))
        metas = user_metas_as_cot(request.metas) if cot is None else cot.metas
        negative = request.lm_negative_prompt
        self._tokens.refuse_control_tokens(caption=request.caption, lyrics=request.lyrics, lm_negative_prompt=negative)
        self._refuse_wild(metas)
        texts = _Texts(
            prompt.codes_prompt(request.caption, request.lyrics, think_yaml(metas)),
            prompt.codes_negative_prompt(negative) if request.guided else None,
        )
        prepared = partial(_prepare, self._tokens, job.id, request, texts, seed=request.seed, stream=_CODES_STREAM)
        target, limit = _num_codes(request, metas)
        if request.use_constrained_decoding:
            start = partial(CodesConstraint, target=target, end=self._tokens.end)
            return prepared(max_tokens=target or limit, constraints=self._constraints, start=start)
        wanted = None if request.preview is None else limit
        start_free = partial(FreeConstraint, tokens=self._tokens, max_codes=wanted)
        return prepared(max_tokens=(target or limit) + FREE_EXTRA, constraints=self._free, start=start_free)

    def read(self, prepared: PreparedJob, result: DecodeResult) -> Codes:
        """The codes among the tokens; those beyond the codebook, drawn without constraints, become its last."""
        codes = [self._tokens.code(token) for token in result.tokens if self._tokens.is_code(token)]
        if not codes:
            raise StageError(
                "the LM wrote no audio codes",
                why="nothing says how long the song is, and it ended at once",
                help="give `duration` in [metas], or another seed",
            )
        return Codes(codes=np.array(codes, dtype=np.int32), notes=prepared.notes(CodesNotes, result))

    def _refuse_wild(self, metas: CotMetas) -> None:
        """Without a grammar the LM may write control tokens into its own caption."""
        try:
            self._tokens.refuse_control_tokens(caption=metas.caption or "")
        except StageError as error:
            raise StageError(
                "the chain of thought can't be used",
                why=f"it was written without constrained decoding: {error.message} it holds",
                help="set `use_constrained_decoding = true`, or another `lm_seed`",
            ) from error


class _Texts(NamedTuple):
    cond: str
    uncond: str | None
    """None where there is no guidance."""


def _prepare(
    tokens: Tokens,
    job_id: str,
    sampling: LmSampling,
    texts: _Texts,
    *,
    seed: int,
    stream: int,
    max_tokens: int,
    constraints: ConstraintSet,
    start: Callable[[], LogitConstraint],
) -> PreparedJob:
    decode = DecodeRequest(
        id=job_id,
        prompt=tokens.encode(texts.cond),
        negative=None if texts.uncond is None else tokens.encode(texts.uncond),
        settings=sampling,
        seed=seed,
        stream=stream,
        max_tokens=max_tokens,
        constraints=constraints,
        start=start,
    )
    return PreparedJob(request=decode, prompt=texts.cond, negative=texts.uncond)


def _num_codes(request: CodesRequest, metas: CotMetas) -> tuple[int | None, int]:
    """How many codes are wanted, None when the LM decides, and how many there may be at most.

    The user's duration counts before the chain of thought's.
    """
    limit = request.max_duration * CODE_RATE
    seconds = request.metas.duration or min(metas.duration or 0, request.max_duration)
    target = int(seconds * CODE_RATE) or None
    if request.preview is None:
        return target, limit
    opening = max(1, int(request.preview * CODE_RATE))
    return None if target is None else min(target, opening), min(limit, opening)
