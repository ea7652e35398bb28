"""Codes -> how well the LM, which reads them now, foretells the texts that it wrote them for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import torch

from renderer.artifacts import PlanScore
from renderer.errors import StageError
from renderer.models.ace_step.jobs import Abandoned
from renderer.models.ace_step.lm.teacher_forcing import score_tokens
from renderer.models.ace_step.protocol.plan_score import (
    BY_INFORMATION,
    CAPTION,
    LYRICS,
    information,
    recall,
    scored_texts,
)
from renderer.models.ace_step.protocol.prompt import understanding_prompt
from renderer.provenance import PlanScoreNotes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from renderer.artifacts import Codes, Cot
    from renderer.models.ace_step.lm.decoder import LoadedLm
    from renderer.models.ace_step.lm.teacher_forcing import TokenScores
    from renderer.models.ace_step.protocol.requests import PlanScoreRequest
    from renderer.models.ace_step.protocol.tokens import Tokens
    from renderer.models.stage_job import Listener, StageJob

Ids = tuple[int, ...]
_MOST_KEPT = 256
"""Texts of so many songs that are known without codes: takes of one song follow each other, songs hardly come back."""


@dataclass(slots=True, kw_only=True)
class PlanJudge:
    """An LM as it reads plans."""

    lm: LoadedLm
    tokens: Tokens
    _without: dict[tuple[Ids, ...], list[TokenScores]] = field(default_factory=dict)
    """Texts -> how they are foretold without codes: the same for all takes of a song, and as if each asked alone."""
    _ended: float = 0.0
    """When the last score was there."""

    def begin(self, job: StageJob, listener: Listener) -> Callable[[], PlanScore]:
        """Have a plan read; what comes back waits for its score.

        Raises: Abandoned when the listener cancels the job, StageError for texts that can't be asked about.
        """
        began, request = time.monotonic(), cast("PlanScoreRequest", job.request)
        cot, codes = cast("Cot | None", job.upstream.get("cot")), cast("Codes", job.upstream["codes"])
        if listener.cancelled(job.id):
            raise Abandoned
        texts = scored_texts(request, cot.metas if cot else None)
        self.tokens.refuse_control_tokens(caption=request.caption, lyrics=request.lyrics)
        ids = {name: self.tokens.encode(text) for name, text in texts.items()}
        weighed = {name: ids[name] for name in BY_INFORMATION if name in ids}
        expected = self._expected(tuple(weighed.values()))
        read = self._read(self._prompt(codes), tuple(ids.values()))

        def score() -> PlanScore:
            found = dict(zip(ids, read(), strict=True))
            without = dict(zip(weighed, expected, strict=True))
            pmi = {name: information(found[name].log_probs, one.log_probs) for name, one in without.items()}
            # Of its own: it was begun while the one before was under way.
            seconds = time.monotonic() - max(began, self._ended)
            self._ended = time.monotonic()
            num_tokens = len(codes.codes) + sum(map(len, ids.values()))
            listener.progress(job.id, num_tokens, num_tokens, "tokens")
            return PlanScore(
                caption_pmi=pmi.get(CAPTION),
                lyrics_pmi=pmi.get(LYRICS),
                metas={name: recall(one.ranks) for name, one in found.items() if name not in weighed},
                notes=PlanScoreNotes(seconds=seconds),
            )

        return score

    def _prompt(self, codes: Codes) -> Ids:
        """The codes as the tokens that they are."""
        before, after = understanding_prompt(_GAP).split(_GAP)
        own = (self.tokens.first_code + int(code) for code in codes.codes)
        return (*self.tokens.encode(before), *own, *self.tokens.encode(after))

    def _expected(self, texts: tuple[Ids, ...]) -> list[TokenScores]:
        if texts not in self._without:
            if len(self._without) >= _MOST_KEPT:
                self._without.clear()
            self._without[texts] = self._read(self.tokens.encode(understanding_prompt()), texts)()
        return self._without[texts]

    @torch.inference_mode()
    def _read(self, prompt: Ids, texts: Sequence[Ids]) -> Callable[[], list[TokenScores]]:
        length = len(prompt) + max(map(len, texts), default=0)
        if length > self.lm.max_length:
            raise StageError(
                "codes and lyrics are too long for the LM to read",
                why=f"they are {length:,} tokens, it reaches {self.lm.max_length:,}",
                help="shorten the lyrics or `duration`",
            )
        return score_tokens(self.lm, prompt, texts)


_GAP = "\0"
"""Where the codes stand in the prompt."""
