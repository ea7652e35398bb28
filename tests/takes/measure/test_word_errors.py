"""Lyrics beside a transcript: how many words are wrong, and in which lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.takes.measure.edit_distance import align
from renderer.takes.measure.word_errors import LyricLine, TranscribedWord, line_errors, units

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

LETTERS = st.lists(st.sampled_from("abcd"), max_size=6)


def lines(*texts: str, times: Sequence[tuple[float, float]] = ()) -> list[LyricLine]:
    if not times:
        return [LyricLine(row=row, text=text) for row, text in enumerate(texts)]
    return [
        LyricLine(row=row, text=text, start=start, end=end)
        for row, (text, (start, end)) in enumerate(zip(texts, times, strict=True))
    ]


def said(text: str, begin: float = 0.0) -> list[TranscribedWord]:
    """Half a second a word."""
    return [
        TranscribedWord(text=f" {word}", start=begin + place / 2, end=begin + place / 2 + 0.4)
        for place, word in enumerate(text.split())
    ]


def fewest(one: Sequence[str], other: Sequence[str]) -> int:
    """Levenshtein's distance, as its definition has it."""
    if not one or not other:
        return len(one) + len(other)
    rest = fewest(one[1:], other[1:])
    if one[0] == other[0]:
        return rest
    return 1 + min(rest, fewest(one[1:], other), fewest(one, other[1:]))


@given(LETTERS, LETTERS, st.randoms())
def test_an_alignment_has_as_few_errors_as_can_be_and_every_word_once(
    one: list[str], other: list[str], drawn: random.Random
) -> None:
    pairs = align(one, other, [[drawn.random() for _ in other] for _ in one])

    assert [here for here, _ in pairs if here is not None] == [*range(len(one))]
    assert [there for _, there in pairs if there is not None] == [*range(len(other))]
    wrong = (here is None or there is None or one[here] != other[there] for here, there in pairs)
    assert sum(wrong) == fewest(one, other)


def test_errors_are_told_by_line_with_what_was_heard() -> None:
    found, num_errors = line_errors(
        lines("Walk slowly, now", "the night is calling", "fire in the corner"),
        said("walk slowly now the night was calling far in coroner"),
    )

    assert [(line.num_errors, line.num_words) for line in found] == [(0, 3), (1, 4), (3, 4)]
    assert [line.transcript for line in found] == ["walk slowly now", "the night was calling", "far in coroner"]
    assert [line.seconds for line in found] == [0.0, 1.5, 3.5]
    assert [line.is_misheard for line in found] == [False, False, True]
    assert num_errors == 4


@pytest.mark.parametrize(("begin", "errors"), [(0.0, [0, 2, 3]), (20.0, [3, 2, 0])])
def test_which_chorus_is_sung_is_told_by_its_time(begin: float, errors: list[int]) -> None:
    sung = lines("la la la", "oh oh", "la la la", times=[(0, 2), (5, 6), (20, 22)])

    found, _ = line_errors(sung, said("la la la", begin))

    assert [line.num_errors for line in found] == errors


def test_a_chorus_is_not_spread_over_two_where_nothing_tells_times() -> None:
    found, _ = line_errors(lines("la la la", "oh oh", "la la la"), said("la la la"))

    assert sorted(line.num_errors for line in found) == [0, 2, 3]


def test_words_heard_in_a_solo_count_and_are_no_lines() -> None:
    sung = lines("walk slowly now", "the night", times=[(0, 2), (60, 62)])

    found, num_errors = line_errors(
        sung, [*said("walk slowly now"), *said("thanks folks", 30.0), *said("the night", 60.0)]
    )

    assert [line.num_errors for line in found] == [0, 0]
    assert num_errors == 2


def test_an_extra_word_counts_in_the_line_it_is_heard_in() -> None:
    found, num_errors = line_errors(lines("walk slowly now", "the night"), said("walk very slowly now the night"))

    assert [line.num_errors for line in found] == [1, 0]
    assert found[0].transcript == "walk very slowly now"
    assert num_errors == 1


def test_silence_is_all_lines_missing() -> None:
    found, num_errors = line_errors(lines("walk slowly", "now"), [])

    assert [(line.num_errors, line.transcript, line.seconds) for line in found] == [(2, "", None), (1, "", None)]
    assert num_errors == 3


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("Don’t STOP — rock-and-roll!", "dont stop rock and roll"),
        ("stay [laughs] (stay)", "stay stay"),
        ("Ｈｅｌｌｏ　ｗｏｒｌｄ", "hello world"),
        ("שָׁלוֹם עוֹלָם", "שלום עולם"),
        ("مَرْحَبًا يـــا", "مرحبا يا"),
        ("雨が、降る", "雨 が 降 る"),
        ("Cafe\u0301", "café"),
        ("… ♪ —", ""),
    ],
)
def test_what_nobody_hears_is_no_difference(written: str, heard: str) -> None:
    assert units(written) == units(heard)


def test_without_spaces_between_words_signs_are_counted() -> None:
    words = [
        TranscribedWord(text=text, start=start, end=start + 1.0)
        for text, start in (("雨が降", 0.0), ("る世に", 1.0), ("君を待つ", 3.0))
    ]

    found, num_errors = line_errors(lines("雨が降る夜に", "君を待つ"), words)

    assert [(line.num_errors, line.num_words) for line in found] == [(1, 6), (0, 4)]
    assert [line.transcript for line in found] == ["雨が降る世に", "君を待つ"]
    assert num_errors == 1


def test_vowel_signs_that_are_letters_stay() -> None:
    assert units("नमस्ते") != units("नमसत")
    assert len(units("สวัสดี")) == len("สวัสดี")
