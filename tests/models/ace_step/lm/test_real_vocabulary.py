"""An LM with the published vocabulary: 151,643 entries of text, controls, 65,535 tokens spelled like codes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from renderer.artifacts import Codes, Cot
from renderer.models.ace_step.lm.grammar import CotGrammar
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.protocol.prompt import codes_prompt
from renderer.models.ace_step.protocol.tokens import REAL_IDS, REAL_WIDTH, load_tokens
from renderer.models.catalog.zoo import resolve
from tests.bench.full_size_set import LM_FOLDER, write_set
from tests.models.ace_step.asks import OPEN, SAMPLING, codes_request, cot_request, job, results
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.long
HANGS_SECONDS = 60.0  # half a second, when all is well


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    write_set(folder, "small", "cpu")
    return folder


def test_the_ids_are_the_published_ones_and_those_of_transformers(bundle: Path) -> None:
    from transformers import AutoTokenizer

    tokens = load_tokens(bundle / LM_FOLDER, REAL_WIDTH)

    assert (tokens.num_codes, tokens.num_spelled, tokens.width) == (64_000, 65_535, REAL_WIDTH)
    assert all(tokens.encode(token) == (number,) for token, number in REAL_IDS.items())
    # The meaningless ones behind the codebook become its last.
    assert tokens.is_code(217_203)
    assert tokens.code(217_203) == tokens.code(215_668) == 63_999
    text = codes_prompt("a caption", "[verse]\nla", "bpm: 90") + "<|audio_code_0|><|audio_code_63999|>"
    theirs = AutoTokenizer.from_pretrained(bundle / LM_FOLDER)
    assert list(tokens.encode(text)) == theirs(text, add_special_tokens=False)["input_ids"]


def test_both_phases_run_and_stay_within_text_and_codebook(bundle: Path) -> None:
    files = resolve(str(bundle)).files
    assert files is not None
    lm = AceStepLoader().load("lm", files, SETTINGS, Heard())
    warm = replace(SAMPLING, lm_temperature=1.5, lm_top_p=1.0)

    thought = results(lm, "cot", [job("cot", cot_request(use_cot_caption=False, sampling=warm))])["cot"]
    assert isinstance(thought, Cot)
    assert thought.metas.bpm is not None
    asked = replace(codes_request(preview=10.0, sampling=warm), metas=replace(OPEN, duration=10.0))
    played = results(lm, "codes", [job("codes", asked, thought)])["codes"]

    assert isinstance(played, Codes)
    assert len(played.codes) == 50
    # Drawn all over the codebook, never behind its end.
    assert played.codes.min() >= 0
    assert 32_000 < played.codes.max() < 64_000


def test_reading_it_ends(bundle: Path) -> None:
    """Where each code costs a look at all others, a start takes minutes."""
    begins = time.process_time()

    load_tokens(bundle / LM_FOLDER, REAL_WIDTH)

    assert time.process_time() - begins < HANGS_SECONDS


def test_the_grammar_is_built_without_the_codes(bundle: Path) -> None:
    tokens = load_tokens(bundle / LM_FOLDER, REAL_WIDTH)

    grammar = CotGrammar(tokens)

    assert grammar.num_text == 151_669
    mask = np.zeros((1, -(-grammar.num_text // 32)), dtype=np.int32)
    grammar.fill([(0, grammar.start(cot_request()))], mask)
    allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
    assert allowed.tolist() == [151_667]
