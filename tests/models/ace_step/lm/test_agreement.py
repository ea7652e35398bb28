"""The engine against the slow reference: the same tokens when greedy, the same distribution when drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import chisquare

from renderer.artifacts import Codes, Cot
from renderer.models.ace_step.lm.grammar import CotGrammar
from renderer.models.ace_step.protocol.tokens import load_tokens
from tests.models.ace_step.asks import ALONE, OPEN, SAMPLING, codes_request, cot_request, job, load, results
from tests.models.ace_step.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.ace_step.lm.part import LmPart

pytestmark = pytest.mark.slow

GREEDY = replace(SAMPLING, lm_temperature=0.0)
YAML = "bpm: 120\nduration: 10\nkeyscale: A minor\ntimesignature: 4"
CAPTIONS = (
    "a calm piano", "dark trap, 808s", "una guitarra lenta", 'choir: "latin"', "noise", "fast drums", "a waltz",
    "🎹 house", "warm strings, slow", "bass & voice", "polka", "swing", "a lullaby", "metal", "rain", "an organ",
    "琴と雨", "two guitars: one warm", "drums & 'bass'", "a choir in Ünterhaching",
)  # fmt: skip


@pytest.fixture(scope="module")
def lm(tiny_set: Path) -> LmPart:
    return load(tiny_set, slots=3)


@pytest.fixture(scope="module")
def reference(tiny_set: Path) -> Reference:
    return Reference(tiny_set / "lm")


def test_greedy_codes_are_the_references_over_twenty_songs(lm: LmPart, reference: Reference) -> None:
    settings = [
        replace(GREEDY, lm_cfg_scale=1.0 + number % 3, lm_repetition_penalty=1.0 + number % 2 / 4)
        for number in range(20)
    ]
    jobs = [
        job(caption, codes_request(caption=caption, preview=1.6, sampling=settings[number]))
        for number, caption in enumerate(CAPTIONS)
    ]

    found = results(lm, "codes", jobs)

    codes = reference.code_ids()
    first = min(codes)
    for number, caption in enumerate(CAPTIONS):
        cond, uncond = reference.codes_prompts(caption, "[verse]\nla la la", YAML)
        expected = reference.greedy(cond, uncond, settings[number], 8, lambda _: codes)
        result = found[caption]
        assert isinstance(result, Codes)
        assert result.codes.tolist() == [token - first for token in expected]


def test_greedy_chains_of_thought_are_the_references(lm: LmPart, reference: Reference, tiny_set: Path) -> None:
    alone = replace(ALONE, lm_temperature=0.0)
    requests = [cot_request(caption=caption, use_cot_caption=False, sampling=alone) for caption in CAPTIONS[:4]]

    found = results(lm, "cot", [job(request.caption, request) for request in requests])

    grammar = CotGrammar(load_tokens(tiny_set / "lm", reference.model.config.vocab_size))
    for request in requests:
        cond = reference.prompt(f"# Caption\n{request.caption}\n\n# Lyric\n{request.lyrics}\n")

        def allowed(written: list[int], request: object = request) -> list[int]:
            writing = grammar.start(request)  # type: ignore[arg-type]
            for token in written:
                writing.accept(token)
            mask = np.zeros((1, -(-grammar.num_text // 32)), dtype=np.int32)
            grammar.fill([(0, writing)], mask)
            return list(np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")))

        expected = reference.greedy(cond, cond, request, 100, allowed)
        result = found[request.caption]
        assert isinstance(result, Cot)
        assert result.text + "<|im_end|>" == reference.tokenizer.decode(expected)


@pytest.mark.parametrize(
    "settings",
    [
        replace(SAMPLING, lm_top_k=12),
        replace(SAMPLING, lm_top_p=0.6, lm_temperature=2.5, lm_cfg_scale=3.0),
        replace(SAMPLING, lm_top_k=20, lm_top_p=1.0, lm_temperature=2.0, lm_repetition_penalty=1.5, lm_cfg_scale=1.0),
    ],
    ids=["top-k", "top-p", "penalty"],
)
def test_drawn_codes_follow_the_references_distribution(tiny_set: Path, reference: Reference, settings: object) -> None:
    num_draws = 1_500
    lm = load(tiny_set, slots=32)
    request = codes_request(metas=OPEN, sampling=settings, preview=0.2)

    found = results(lm, "codes", [job(str(seed), replace(request, seed=seed)) for seed in range(num_draws)])

    cond, uncond = reference.codes_prompts(request.caption, request.lyrics, "")
    allowed = [*reference.code_ids(), reference.end]
    chances = reference.probabilities(cond, uncond, allowed, request).double().numpy()
    codes = [
        result.codes[0] + min(allowed[:-1]) if isinstance(result, Codes) else reference.end for result in found.values()
    ]
    counts = np.bincount(codes, minlength=len(chances))
    assert counts[chances == 0].sum() == 0
    # Rare tokens are counted together: a chi-square needs some five expected in each.
    common = chances * num_draws > 5
    observed = [*counts[common], counts[~common].sum()]
    expected = np.array([*chances[common], chances[~common].sum()]) * num_draws
    kept = expected > 0
    assert common.sum() > 2
    assert chisquare(np.array(observed)[kept], expected[kept] / expected.sum() * num_draws).pvalue > 0.001
