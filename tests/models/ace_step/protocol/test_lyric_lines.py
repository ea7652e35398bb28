"""Lyric tokens with times to lines and words, in any script, whatever the tokenizer cuts a character into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.models.ace_step.protocol.lyric_lines import (
    lyric_rows,
    own_texts,
    timed_lines,
    timed_tokens,
)
from renderer.models.ace_step.protocol.lyric_score import sung_rows
from renderer.models.ace_step.protocol.prompt import dit_lyric_prompt
from renderer.models.ace_step.protocol.text_tokens import TextTokens
from renderer.models.ace_step.protocol.tokens import read_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from renderer.artifacts import TimedLine

LYRICS = """[verse]
la la (ah), día

[chorus]
月亮代表我的心，好吗？
שלום לכולם
🎹 ends"""


@pytest.fixture
def tokens(tiny_set: Path) -> TextTokens:
    return TextTokens(read_tokenizer(tiny_set / "tokenizer", advice=""))


def timed(tokens: TextTokens, lyrics: str, covered: Mapping[int, bool] | None = None) -> tuple[TimedLine, ...]:
    """Each token lasts a second; all are covered but those that `covered` says otherwise of."""
    ids = lyric_rows(tokens, dit_lyric_prompt(lyrics, "en"), "en", 2_048).ids
    times = [(float(place), float(place + 1)) for place in range(len(ids))]
    sung = sung_rows(own_texts(tokens, ids)).tolist()
    attended = [(covered or {}).get(place, True) for place in range(len(ids))]
    return timed_lines(tuple(timed_tokens(tokens, ids, times, attended, sung)))


def test_rows_are_the_lyrics_own_tokens(tokens: TextTokens) -> None:
    prompt = dit_lyric_prompt(LYRICS, "zh")

    rows = lyric_rows(tokens, prompt, "zh", 2_048)

    assert tokens.tokenizer.decode(list(rows.ids)) == LYRICS
    assert tokens.ids(prompt)[rows.first : rows.last] == list(rows.ids)


def test_lyrics_that_are_cut_off_end_where_the_prompt_does(tokens: TextTokens) -> None:
    prompt = dit_lyric_prompt(LYRICS, "en")

    rows = lyric_rows(tokens, prompt, "en", 30)

    assert rows.last == 29
    assert LYRICS.startswith(tokens.tokenizer.decode(list(rows.ids)).rstrip("\ufffd"))


def test_lines_are_the_lyrics_lines_and_know_which(tokens: TextTokens) -> None:
    lines = timed(tokens, LYRICS)

    assert {line.row: line.text for line in lines} == {row: text for row, text in enumerate(LYRICS.split("\n")) if text}
    assert [line.is_tag for line in lines] == [True, False, True, False, False, False]


def test_words_are_written_apart_but_for_chinese_whose_signs_are(tokens: TextTokens) -> None:
    words = {line.row: [word.text for word in line.words] for line in timed(tokens, LYRICS)}

    assert words[1] == ["la", "la", "(ah),", "día"]
    assert words[4] == ["月", "亮", "代", "表", "我", "的", "心，", "好", "吗？"]
    assert words[5] == ["שלום", "לכולם"]
    assert words[6] == ["🎹", "ends"]


def test_times_go_on_from_word_to_word_and_stay_inside_the_line(tokens: TextTokens) -> None:
    for line in timed(tokens, LYRICS):
        edges = [line.start, *(edge for word in line.words for edge in (word.start, word.end)), line.end]
        assert edges == sorted(edges)


def test_the_bytes_of_one_character_are_one_word_from_its_first_byte_on(tokens: TextTokens) -> None:
    sign = "\U00013000"  # of no text that the tokenizer learned from: four tokens
    (line,) = timed(tokens, sign)

    assert [(word.text, word.start, word.end) for word in line.words] == [(sign, 0.0, 4.0)]


def test_a_line_that_nothing_attends_to_is_skipped_and_one_with_a_word_is_not(tokens: TextTokens) -> None:
    whole = timed(tokens, "[verse]\nla la\nday")
    ends = int(whole[1].end)
    without = dict.fromkeys(range(int(whole[1].start), ends), False)

    assert [line.is_skipped for line in timed(tokens, "[verse]\nla la\nday", without)] == [False, True, False]
    del without[ends - 2]
    assert not any(line.is_skipped for line in timed(tokens, "[verse]\nla la\nday", without))
