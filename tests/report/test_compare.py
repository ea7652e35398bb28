from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from renderer.report.compare import changed_words, flags, same_key, same_tempo
from renderer.settings import Metas
from tests.report.songs import rendered

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("wanted", "heard", "same"),
    [(140, 70.3, True), (70, 139, True), (120, 124, True), (120, 126, False), (120, 80, False)],
)
def test_a_tempo_felt_at_half_or_double_time_is_the_same(wanted: float, heard: float, same: bool) -> None:
    assert same_tempo(wanted, heard) is same


@pytest.mark.parametrize(
    ("wanted", "heard", "same"),
    [
        ("Db major", "C# major", True),
        ("B# minor", "C minor", True),
        ("A minor", "C major", False),
        ("A♭ minor", "G# minor", True),
    ],
)
def test_a_key_is_the_same_under_either_of_its_names(wanted: str, heard: str, same: bool) -> None:
    assert same_key(wanted, heard) is same


def test_what_was_asked_counts_before_what_the_lm_decided(tmp_path: Path) -> None:
    take = rendered(tmp_path, "x", seed=1, seconds=1.0)  # 96.2 bpm heard, 96 decided
    assert "tempo" not in {flag.code for flag in flags(take, Metas())}
    (flag,) = [flag for flag in flags(take, Metas(bpm=150)) if flag.code == "tempo"]
    assert flag.text == "96 bpm heard, 150 wanted"


def test_a_preview_is_meant_to_be_short(tmp_path: Path) -> None:
    take = dataclasses.replace(rendered(tmp_path, "x", seed=1, seconds=1.0), preview_seconds=1.0)
    assert "length" not in {flag.code for flag in flags(take, Metas(duration=150))}
    whole = dataclasses.replace(take, preview_seconds=None)
    assert "length" in {flag.code for flag in flags(whole, Metas(duration=150))}


def test_words_the_lm_changed_are_told_apart() -> None:
    words = changed_words("a dark trap beat", "a bright trap beat with bells")
    assert [(word.kind, word.text.strip()) for word in words] == [
        ("same", "a"),
        ("dropped", "dark"),
        ("added", "bright"),
        ("same", "trap beat"),
        ("added", "with bells"),
    ]
