"""A plan's score against a slow reading of its own: text by text, by transformers alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from renderer.artifacts import Codes, Cot, CotMetas, PlanScore
from renderer.models.ace_step.lm import teacher_forcing
from renderer.models.ace_step.protocol.requests import PlanScoreRequest
from renderer.models.stage_job import Failed, StageJob
from renderer.provenance import Origin
from renderer.settings import Metas
from renderer.store.encoding import encode
from tests.models.ace_step.asks import Heard, load, results
from tests.models.ace_step.reference import Reference

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.ace_step.lm.part import LmPart

INSTRUCTION = "# Instruction\nUnderstand the given musical conditions and describe the audio semantics accordingly:\n\n"
CAPTION = "a calm piano, warm and slow"
LYRICS = "[verse]\nla la la\n[chorus]\noh, 琴と雨"
THOUGHT = CotMetas(bpm=90, caption="a piano: slow", duration=12, keyscale="A minor", language="en", timesignature="4")


@pytest.fixture(scope="module")
def lm(tiny_set: Path) -> LmPart:
    return load(tiny_set)


def plan(number: int, *, cot: CotMetas | None = THOUGHT, lyrics: str = LYRICS, metas: Metas | None = None) -> StageJob:
    drawn = np.random.default_rng(number)
    codes = Codes(codes=drawn.integers(0, 1000, 20 + 17 * number, dtype=np.int32))
    request = PlanScoreRequest(caption=CAPTION, lyrics=lyrics, metas=metas or Metas(bpm=90, duration=12.7))
    upstream = {"codes": codes} | ({} if cot is None else {"cot": Cot(text="", metas=cot)})
    return StageJob(id=str(number), request=request, upstream=upstream)


def scored(lm: LmPart, *jobs: StageJob) -> dict[str, PlanScore]:
    found = results(lm, "plan_score", jobs)
    assert all(isinstance(one, PlanScore) for one in found.values()), found
    return found  # type: ignore[return-value]  # as asserted


class Slow:
    """The formulas once more, each text alone behind its prompt."""

    def __init__(self, folder: Path) -> None:
        self.reference = Reference(folder)

    @torch.no_grad()
    def chances(self, user: str, text: str) -> tuple[np.ndarray, np.ndarray]:
        """[tokens, vocabulary] of probabilities in float64, and the tokens."""
        turns = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": user}]
        tokenizer = self.reference.tokenizer
        prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        before = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        ids = tokenizer(prompt + text, add_special_tokens=False)["input_ids"]
        logits = self.reference.model(torch.tensor([ids])).logits[0, before - 1 : -1].double()
        return logits.softmax(-1).numpy(), np.array(ids[before:])

    def pmi(self, codes: str, text: str) -> float:
        means = []
        for user in (codes, "NO USER INPUT"):
            chances, tokens = self.chances(user, text)
            means.append(np.log([chances[place, token] for place, token in enumerate(tokens)]).mean())
        return float(means[0] - means[1])

    def recall(self, codes: str, text: str) -> float:
        chances, tokens = self.chances(codes, text)
        scores = []
        for row, token in zip(chances, tokens, strict=True):
            best = list(np.argsort(-row, kind="stable")[:10])
            scores.append(1 - best.index(token) / 10 if token in best else 0.0)
        return sum(scores) / len(scores)


def test_scores_are_those_of_a_plain_reading(lm: LmPart, tiny_set: Path) -> None:
    slow = Slow(tiny_set / "lm")

    for number, found in scored(lm, plan(1), plan(2), plan(3)).items():
        codes = plan(int(number)).upstream["codes"]
        assert isinstance(codes, Codes)
        text = "".join(f"<|audio_code_{code}|>" for code in codes.codes)
        caption = slow.pmi(text, "<think>\ncaption: 'a piano: slow'\n</think>\n")
        lyrics = slow.pmi(text, f"<think>\n</think>\n# Lyric\n{LYRICS}\n")
        fields = ("bpm: 90", "duration: 12", "keyscale: A minor", "language: en", "timesignature: 4")
        metas = {one.partition(":")[0]: slow.recall(text, f"<think>\n{one}\n</think>\n") for one in fields}
        total = (
            0.5 / (1 + math.exp(-caption / 0.1)) + 0.3 / (1 + math.exp(-lyrics / 0.1)) + 0.2 * sum(metas.values()) / 5
        )
        assert found.caption_pmi == pytest.approx(caption, abs=1e-4)
        assert found.lyrics_pmi == pytest.approx(lyrics, abs=1e-4)
        assert found.metas == pytest.approx(metas, abs=1e-9)
        assert found.score == pytest.approx(total, abs=1e-4)


def test_alone_and_in_a_batch_a_plan_scores_the_same_bytes(lm: LmPart, tiny_set: Path) -> None:
    jobs = [plan(number) for number in (4, 1, 3, 2)]
    together = scored(lm, *jobs)

    for job in jobs:
        found = scored(load(tiny_set), job)[job.id]
        assert unmeasured(found) == unmeasured(together[job.id])


def unmeasured(score: PlanScore) -> bytes:
    """What lies in the store, without the seconds that it took."""
    bare = PlanScore(caption_pmi=score.caption_pmi, lyrics_pmi=score.lyrics_pmi, metas=score.metas)
    return encode(bare, Origin(), "plan_score/1")


def test_what_a_song_has_no_text_for_has_no_part_in_its_score(lm: LmPart) -> None:
    found = scored(lm, plan(1, cot=None, lyrics="", metas=Metas(keyscale="A minor")))["1"]

    assert set(found.scores) == {"caption", "metas"}
    assert set(found.metas) == {"keyscale"}
    assert found.score == pytest.approx((0.5 * found.scores["caption"] + 0.2 * found.scores["metas"]) / 0.7)


def test_mlx_scores_as_torch_does(lm: LmPart, tiny_set: Path) -> None:
    pytest.importorskip("mlx.core")
    jobs = [plan(1), plan(5)]

    by_torch, by_mlx = scored(lm, *jobs), scored(load(tiny_set, device="mlx"), *jobs)

    for name, one in by_torch.items():
        assert by_mlx[name].caption_pmi == pytest.approx(one.caption_pmi, abs=1e-4)
        assert by_mlx[name].lyrics_pmi == pytest.approx(one.lyrics_pmi, abs=1e-4)
        assert by_mlx[name].metas == pytest.approx(one.metas, abs=1e-9)


def test_control_tokens_in_the_lyrics_fail_that_plan_alone(lm: LmPart) -> None:
    found = results(lm, "plan_score", [plan(1, lyrics="la <|im_end|> la"), plan(2)])

    assert isinstance(found["1"], Failed)
    assert found["1"].message == "`<|im_end|>` stands in the lyrics"
    assert isinstance(found["2"], PlanScore)


def test_a_cancelled_plan_is_not_scored(lm: LmPart) -> None:
    found = results(lm, "plan_score", [plan(1), plan(2)], Heard(cancel_after={"1": 0}))

    assert set(found) == {"2"}


@pytest.mark.parametrize("vocabulary", [16, 13, 3])
def test_logits_of_any_vocabulary_are_its_own_and_surplus_columns_count_for_nothing(vocabulary: int) -> None:
    hidden, weight = torch.randn(5, 8).bfloat16(), torch.randn(vocabulary, 8).bfloat16()
    targets = torch.arange(5) % vocabulary

    logits = teacher_forcing._logits(hidden, weight)

    expected = linear(hidden, weight)
    assert torch.equal(logits[:, :vocabulary], expected)
    assert not logits[:, vocabulary:].isfinite().any()
    log_probs, ranks = teacher_forcing._look_up(logits, targets)
    by_hand = expected.float() - expected.float().logsumexp(-1, keepdim=True)
    assert torch.allclose(log_probs, by_hand[torch.arange(5), targets], atol=1e-5)
    assert torch.equal(ranks, (expected > expected[torch.arange(5), targets][:, None]).sum(-1))
