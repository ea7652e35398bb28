"""The texts that codes were written for, and scores of how well an LM that reads the codes foretells them.

Source: ace-step/ACE-Step-1.5, acestep/core/scoring/lm_score.py
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from renderer.artifacts import CotMetas
from renderer.models.ace_step.protocol.metas import think_yaml, user_metas_as_cot

if TYPE_CHECKING:
    import numpy.typing as npt

    from renderer.models.ace_step.protocol.requests import PlanScoreRequest

TOP = 10
"""Ranks that count for a meta."""
CAPTION, LYRICS = "caption", "lyrics"
BY_INFORMATION = (CAPTION, LYRICS)
"""The texts that are weighed against how likely they are without the codes."""


def scored_texts(request: PlanScoreRequest, cot: CotMetas | None) -> dict[str, str]:
    """`caption`, `lyrics`, `bpm`, … -> what stands behind the codes, of all that is known of the song.

    The chain of thought's word comes before the user's, whose metas it holds; each meta is written as in a chain of
    thought, where upstream's web page puts the bar's beats into quotes.
    """
    known, said = cot or CotMetas(), user_metas_as_cot(request.metas)
    user = replace(said, caption=request.caption or None, language=request.metas.vocal_language)
    told = {one.name: getattr(known, one.name) or getattr(user, one.name) for one in fields(CotMetas)}
    texts = {
        name: f"<think>\n{think_yaml(CotMetas(**{name: value}))}\n</think>\n"
        for name, value in told.items()
        if value is not None
    }
    return texts | ({LYRICS: f"<think>\n</think>\n# Lyric\n{request.lyrics}\n"} if request.lyrics else {})


def recall(ranks: npt.NDArray[np.int64]) -> float:
    """0 to 1: 1 for a token that is the likeliest, a tenth less for each likelier one; the mean of [tokens]."""
    return float(np.maximum(0.0, 1.0 - ranks / TOP).mean())


def information(with_codes: npt.NDArray[np.float64], without: npt.NDArray[np.float64]) -> float:
    """Nats a token by which codes make a text likelier (PMI), of log probabilities [tokens]."""
    return float(with_codes.mean() - without.mean())
