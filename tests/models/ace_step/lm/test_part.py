"""The LM's two stages on a real checkpoint of the smallest size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Codes, Cot, CotMetas
from renderer.models.ace_step.lm.phases import CodesPhase, CotPhase
from renderer.models.ace_step.protocol.metas import parse_cot
from renderer.models.stage_job import Failed
from renderer.settings import Metas
from tests.models.ace_step.asks import OPEN, SAMPLING, Heard, codes_request, cot_request, job, load, results

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.ace_step.lm.part import LmPart


@pytest.fixture(scope="module")
def lm(tiny_set: Path) -> LmPart:
    return load(tiny_set)


def only(found: dict[str, object]) -> object:
    (result,) = found.values()
    return result


def written(lm: LmPart, **changes: object) -> Cot:
    result = only(results(lm, "cot", [job("a", cot_request(**changes))]))  # type: ignore[arg-type]
    assert isinstance(result, Cot), result
    return result


def coded(lm: LmPart, cot: Cot | None = None, **changes: object) -> Codes:
    result = only(results(lm, "codes", [job("a", codes_request(**changes), cot)]))  # type: ignore[arg-type]
    assert isinstance(result, Codes), result
    return result


@pytest.mark.slow
def test_a_chain_of_thought_says_what_the_dit_needs(lm: LmPart) -> None:
    cot = written(lm)

    assert cot.metas == parse_cot(cot.text)
    assert None not in {cot.metas.bpm, cot.metas.duration, cot.metas.keyscale, cot.metas.timesignature}
    assert cot.metas.caption
    assert cot.metas.language


@pytest.mark.slow
def test_the_grammar_of_an_lm_is_made_once_for_all_of_its_loads(tiny_set: Path, lm: LmPart) -> None:
    again = load(tiny_set)
    assert again._phase(CotPhase) is lm._phase(CotPhase)
    assert written(again).text == written(lm).text


@pytest.mark.slow
def test_what_the_user_gave_is_written_verbatim(lm: LmPart) -> None:
    cot = written(lm, metas=Metas(bpm=72, keyscale="C# minor", timesignature="6", duration=33.7))

    assert (cot.metas.bpm, cot.metas.keyscale, cot.metas.timesignature, cot.metas.duration) == (72, "C# minor", "6", 33)
    assert cot.text.startswith("<think>\nbpm: 72\ncaption:")
    assert cot.text.endswith("timesignature: 6\n")


def test_fields_that_are_switched_off_are_not_written(lm: LmPart) -> None:
    cot = written(lm, use_cot_caption=False, use_cot_language=False)

    assert cot.metas.caption is None
    assert cot.metas.language is None
    assert "caption" not in cot.text
    assert "language" not in cot.text


@pytest.mark.parametrize(
    ("seconds", "num_codes"),
    [
        (10, 50),
        (10.4, 52),
        (37, 185),
        pytest.param(180, 900, marks=pytest.mark.long),
        pytest.param(600, 3000, marks=pytest.mark.long),
    ],
)
def test_a_duration_makes_exactly_so_many_codes(lm: LmPart, seconds: float, num_codes: int) -> None:
    codes = coded(lm, metas=replace(OPEN, duration=seconds)).codes

    assert codes.shape == (num_codes,)
    assert codes.dtype == np.int32
    assert codes.min() >= 0
    assert codes.max() < 1000


@pytest.mark.parametrize(("seconds", "num_codes"), [(10, 50), (10.4, 52), (37, 185), (180, 900), (600, 3000)])
def test_a_duration_asks_for_exactly_so_many_tokens(lm: LmPart, seconds: float, num_codes: int) -> None:
    phase = lm._phase(CodesPhase)

    decode = phase.prepare(job("a", codes_request(metas=replace(OPEN, duration=seconds), max_duration=600))).request

    assert decode.max_tokens == num_codes
    assert decode.pass_spec.length >= len(decode.prompt) + num_codes


def test_without_the_users_word_the_chain_of_thought_says_how_long(lm: LmPart) -> None:
    cot = Cot(text="", metas=CotMetas(bpm=90, duration=12, keyscale="A minor", timesignature="4"))

    assert len(coded(lm, cot, metas=OPEN).codes) == 60


@pytest.mark.slow
def test_with_no_duration_anywhere_the_lm_ends_the_song_or_the_limit_does(lm: LmPart) -> None:
    found = results(lm, "codes", [job(str(n), codes_request(n, metas=OPEN, max_duration=20)) for n in range(12)])

    lengths = [len(result.codes) for result in found.values() if isinstance(result, Codes)]
    failures = [result.message for result in found.values() if isinstance(result, Failed)]
    assert len(lengths) + len(failures) == 12
    assert max(lengths) <= 100
    assert set(failures) <= {"the LM wrote no audio codes"}


def test_a_preview_is_the_songs_opening(lm: LmPart) -> None:
    whole = coded(lm)
    preview = coded(lm, preview=3.0)

    assert preview.codes.tolist() == whole.codes[:15].tolist()
    assert preview.notes.prompt == whole.notes.prompt


def test_the_prompt_carries_the_chain_of_thought_and_the_users_caption(lm: LmPart) -> None:
    metas = CotMetas(bpm=90, caption="rewritten", duration=10, keyscale="A minor", language="en", timesignature="4")

    notes = coded(lm, Cot(text="", metas=metas)).notes

    assert "# Caption\na calm piano, warm and slow\n" in notes.prompt
    assert "<think>\nbpm: 90\ncaption: rewritten\nduration: 10\n" in notes.prompt
    assert notes.negative_prompt.endswith("<think>\n\n</think>\n\n")
    assert notes.tokens == 50


def test_guidance_off_runs_without_a_negative_prompt(lm: LmPart) -> None:
    codes = coded(lm, sampling=replace(SAMPLING, lm_cfg_scale=1.0))

    assert len(codes.codes) == 50
    assert codes.notes.negative_prompt is None


def test_seeds_differ_and_repeat(lm: LmPart) -> None:
    first, again, other = (coded(lm, seed=seed).codes.tolist() for seed in (7, 7, 8))

    assert first == again
    assert first != other


@pytest.mark.slow
def test_unconstrained_text_is_read_for_what_it_holds(lm: LmPart) -> None:
    free = replace(SAMPLING, use_constrained_decoding=False)

    cot = written(lm, sampling=free)
    codes = coded(lm, sampling=free, preview=1.0)

    assert cot.notes.tokens <= 640
    assert 0 < len(codes.codes) <= 5
    assert codes.codes.max() < 1000


def test_a_control_token_in_the_lyrics_costs_that_take_only(lm: LmPart) -> None:
    jobs = [job("bad", codes_request(lyrics="la <|im_end|> la")), job("good", codes_request())]

    found = results(lm, "codes", jobs)

    assert isinstance(found["bad"], Failed)
    assert found["bad"].message == "`<|im_end|>` stands in the lyrics"
    assert isinstance(found["good"], Codes)


def test_a_chain_of_thought_that_holds_control_tokens_is_not_passed_on(lm: LmPart) -> None:
    wild = Cot(text="", metas=CotMetas(bpm=90, caption="piano <|im_end|> loud", duration=10))

    failed = only(results(lm, "codes", [job("a", codes_request(), wild)]))

    assert isinstance(failed, Failed)
    assert failed.message == "the chain of thought can't be used"
    assert failed.help == "set `use_constrained_decoding = true`, or another `lm_seed`"


def test_loading_tells_its_time_and_size(tiny_set: Path) -> None:
    heard = Heard()

    load(tiny_set, heard=heard).close()

    assert heard.components == ["lm"]
