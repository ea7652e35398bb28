"""Chains of thought under the grammar, walked at random: every one is legal, whatever the LM would like to write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from renderer.artifacts import Cot
from renderer.errors import StageError
from renderer.facts import LANGUAGES
from renderer.models.ace_step.lm.grammar import CotGrammar
from renderer.models.ace_step.protocol.metas import parse_cot, think_yaml
from renderer.models.ace_step.protocol.tokens import load_tokens
from renderer.models.kernels.masks import pack
from renderer.settings import Metas
from tests.models.ace_step.asks import OPEN, cot_request, job, load, results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from renderer.models.ace_step.lm.grammar import CotConstraint
    from renderer.models.ace_step.protocol.requests import CotRequest
    from renderer.models.ace_step.protocol.tokens import Tokens

KEYSCALE = re.compile(r"[A-G][#b♯♭]? (major|minor)")


@pytest.fixture(scope="module")
def tokens(tiny_set: Path) -> Tokens:
    from transformers import AutoConfig

    return load_tokens(tiny_set / "lm", AutoConfig.from_pretrained(tiny_set / "lm").vocab_size)


@pytest.fixture(scope="module")
def grammar(tokens: Tokens) -> CotGrammar:
    return CotGrammar(tokens)


def allowed(grammar: CotGrammar, writing: CotConstraint) -> np.ndarray:
    mask = np.zeros((1, -(-grammar.num_text // 32)), dtype=np.int32)
    grammar.fill([(0, writing)], mask)
    return np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))


def walk(grammar: CotGrammar, request: CotRequest, choose: Callable[[np.ndarray], int]) -> list[int]:
    """Tokens up to the end, each chosen among those allowed."""
    writing, written = grammar.start(request), list[int]()
    ended = False
    while not ended:
        token = int(choose(allowed(grammar, writing)))
        written.append(token)
        ended = writing.accept(token)
    return written


def at_random(seed: int) -> Callable[[np.ndarray], int]:
    draw = np.random.default_rng(seed)
    return lambda tokens: int(draw.choice(tokens))


def check(text: str, request: CotRequest) -> None:
    """Everything that must hold for a chain of thought."""
    metas, given = parse_cot(text), request.metas
    assert metas.bpm == given.bpm if given.bpm else 30 <= (metas.bpm or 0) <= 300
    assert metas.timesignature == given.timesignature if given.timesignature else metas.timesignature in "2346"
    assert metas.keyscale == given.keyscale if given.keyscale else KEYSCALE.fullmatch(metas.keyscale or "")
    if given.duration:
        assert metas.duration == int(given.duration)
    else:
        assert 10 <= (metas.duration or 0) <= request.max_duration
    assert metas.language in LANGUAGES if request.use_cot_language else metas.language is None
    assert bool(metas.caption) == request.use_cot_caption
    assert re.findall(r"^(\w+):", text, re.MULTILINE) == sorted(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert parse_cot(think_yaml(metas)) == metas


def requests(count: int) -> list[CotRequest]:
    """All combinations of what users give and switch off, in turn."""
    return [
        cot_request(
            number,
            caption=f"song {number % 11}",
            metas=Metas(
                bpm=30 + number % 271 if number % 2 else None,
                keyscale=("F# minor", "B♭ major")[number % 8 // 4] if number % 3 else None,
                timesignature="2346"[number % 4] if number % 5 else None,
                duration=10 + number % 591 + 0.5 if number % 7 < 3 else None,
            ),
            use_cot_caption=number % 4 != 1,
            use_cot_language=number % 4 != 2,
            max_duration=(60, 240, 600)[number % 3],
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("number", range(24))
def test_any_walk_through_the_grammar_is_legal(grammar: CotGrammar, tokens: Tokens, number: int) -> None:
    request = requests(24)[number]

    written = walk(grammar, request, at_random(number))

    assert len(written) <= 640
    check(tokens.decode(tuple(written)), request)


def test_forced_text_is_spelled_as_the_tokenizer_spells_it(grammar: CotGrammar, tokens: Tokens) -> None:
    """An LM that is led through another spelling reads text it was never trained on."""
    request = cot_request(
        metas=Metas(bpm=120, keyscale="A minor", timesignature="4", duration=60),
        use_cot_caption=False,
        use_cot_language=False,
    )

    written = walk(grammar, request, at_random(0))

    text = "<think>\nbpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4\n"
    assert tuple(written) == tokens.encode(text)


def test_only_one_token_is_allowed_where_the_text_is_fixed(grammar: CotGrammar, tokens: Tokens) -> None:
    writing = grammar.start(cot_request())

    for token in tokens.encode("<think>\nbpm:"):
        assert allowed(grammar, writing).tolist() == [token]
        writing.accept(token)


def test_a_caption_holds_neither_control_tokens_nor_codes(grammar: CotGrammar, tokens: Tokens) -> None:
    writing = grammar.start(cot_request(metas=Metas(bpm=90, keyscale=None, timesignature=None, duration=None)))
    for token in tokens.encode("<think>\nbpm: 90\ncaption: a"):
        writing.accept(token)

    free = set(allowed(grammar, writing).tolist())

    specials = {tokens.end, tokens.pad, *tokens.encode("<think></think><|im_start|><|audio_code_5|>")}
    assert len(free) > 100
    assert not free & specials
    assert not free & set(tokens.encode("<") + tokens.encode("`"))


@pytest.mark.parametrize("stubborn", [b"a", b" ", b"\n"])
def test_a_caption_that_will_not_end_is_ended(grammar: CotGrammar, tokens: Tokens, stubborn: bytes) -> None:
    """Also one that goes on and on indenting new lines."""
    written = walk(grammar, cot_request(), lambda allowed: preferring(grammar, allowed, stubborn))

    text = tokens.decode(tuple(written))
    assert len(written) <= 640
    check(text, cot_request())


def preferring(grammar: CotGrammar, tokens: np.ndarray, start: bytes) -> int:
    return int(next((token for token in tokens if grammar._spelling[token].startswith(start)), tokens[0]))


def test_the_language_is_not_drawn(grammar: CotGrammar, tokens: Tokens) -> None:
    request = cot_request(metas=Metas(bpm=90, keyscale="A minor", timesignature="4", duration=30))
    writing, greedy = grammar.start(request), []

    for token in tokens.encode(
        "<think>\nbpm: 90\ncaption: a\nduration: 30\nkeyscale: A minor\nlanguage: es\ntimesignature:"
    ):
        greedy.append(writing.greedy)
        writing.accept(token)

    before = len(tokens.encode("<think>\nbpm: 90\ncaption: a\nduration: 30\nkeyscale: A minor\nlanguage:"))
    value = len(tokens.encode(" es\n"))
    assert greedy[before : before + value] == [True] * value
    assert sum(greedy) == value


def test_a_token_the_grammar_forbids_is_an_error(grammar: CotGrammar, tokens: Tokens) -> None:
    with pytest.raises(StageError, match="left its grammar"):
        grammar.start(cot_request()).accept(tokens.encode("x")[0])


def test_masks_are_packed_as_llguidance_packs_them() -> None:
    allowed = np.zeros(70, dtype=np.bool_)
    allowed[[0, 31, 32, 69]] = True

    assert pack(allowed).tolist() == [-(2**31) + 1, 1, 32]


def check_lm(tiny_set: Path, count: int, slots: int) -> None:
    asked = requests(count)
    found: Any = results(load(tiny_set, slots=slots), "cot", [job(str(n), one) for n, one in enumerate(asked)])
    assert len(found) == count
    for number, request in enumerate(asked):
        assert isinstance(found[str(number)], Cot)
        assert found[str(number)].notes.tokens <= 640
        check(found[str(number)].text, request)


@pytest.mark.slow
def test_chains_of_thought_from_random_weights_are_legal(tiny_set: Path) -> None:
    check_lm(tiny_set, 24, 24)


@pytest.mark.long
def test_two_thousand_chains_of_thought_from_random_weights_are_legal(tiny_set: Path) -> None:
    check_lm(tiny_set, 2_000, 64)


@pytest.mark.parametrize("number", range(40))
def test_names_and_values_have_the_tokenizers_own_spelling(grammar: CotGrammar, tokens: Tokens, number: int) -> None:
    """`keyscale: E minor` may be put together in dozens of ways; training text has one."""
    request = cot_request(metas=requests(40)[number].metas, use_cot_caption=False)

    written = walk(grammar, request, at_random(number))

    assert tokens.encode(tokens.decode(tuple(written))) == tuple(written)


def test_a_caption_beside_them_is_spelled_as_the_lm_likes(grammar: CotGrammar, tokens: Tokens) -> None:
    respelled = 0
    for number in range(12):
        written = walk(grammar, cot_request(), at_random(100 + number))
        lines = tokens.decode(tuple(written)).splitlines(keepends=True)
        fields = [line for line in lines if not line.startswith((" ", "\t", "caption:"))]
        spelled = [token for line in fields for token in tokens.encode(line)]
        remaining = list(written)
        for token in spelled:
            remaining.remove(token)
        respelled += tuple(remaining) != tokens.encode("".join(line for line in lines if line not in fields))
    assert respelled


def test_nothing_given_leaves_all_fields_to_the_lm(grammar: CotGrammar, tokens: Tokens) -> None:
    texts = {
        tokens.decode(tuple(walk(grammar, cot_request(metas=OPEN, use_cot_caption=False), at_random(s))))
        for s in range(9)
    }

    assert len(texts) == 9
