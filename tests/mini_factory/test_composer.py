"""The music `mini` learnt from: same seed, same song; sections where the layout says; choruses louder than verses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from renderer.facts import SAMPLE_RATE
from tests.mini_factory.composer.layout import lay_out
from tests.mini_factory.composer.song import draw, play

pytestmark = pytest.mark.slow

LYRICS = "[verse]\nla\nla\n\n[chorus]\nla\n\n[bridge] (Guitarra española - solo melancólico y rápido)\n\n[chorus]\nla"


def test_a_seed_is_a_song() -> None:
    first, again = (play(draw(11)) for _ in range(2))

    assert first.tobytes() == again.tobytes()
    assert draw(11) != draw(12)


@pytest.mark.parametrize("seed", range(5))
def test_a_song_has_its_length_is_heard_and_does_not_clip(seed: int) -> None:
    piece = draw(seed)
    sound = play(piece)

    assert sound.shape == (2, piece.duration * SAMPLE_RATE)
    assert np.isfinite(sound).all()
    assert 0.05 < float(np.sqrt(np.mean(sound**2))) < 0.3
    assert float(np.abs(sound).max()) <= 0.9


def test_sections_fill_the_song_in_order_and_name_their_solo() -> None:
    spans = lay_out(LYRICS, 72, "4", 60.0)

    assert [span.kind for span in spans] == ["verse", "chorus", "bridge", "chorus"]
    assert [span.solo for span in spans] == ["", "", "guitar", ""]
    assert (spans[0].start_seconds, spans[-1].end_seconds) == (0.0, 60.0)
    assert all(before.end_seconds == after.start_seconds for before, after in itertools.pairwise(spans))


@pytest.mark.slow
def test_choruses_are_louder_than_verses() -> None:
    louder = []
    for seed in range(40):
        piece = draw(seed)
        spans = lay_out(piece.lyrics, piece.bpm, piece.timesignature, piece.duration)
        kinds = {span.kind for span in spans if not span.solo}
        if {"verse", "chorus"} <= kinds:
            sound = play(piece)
            louder.append(loudness(sound, spans, "chorus") > loudness(sound, spans, "verse"))
    assert len(louder) > 5
    assert np.mean(louder) >= 0.9


def loudness(sound: np.ndarray, spans: tuple, kind: str) -> float:
    parts = [
        sound[:, int(span.start_seconds * SAMPLE_RATE) : int(span.end_seconds * SAMPLE_RATE)]
        for span in spans
        if span.kind == kind and not span.solo
    ]
    return float(np.sqrt(np.mean(np.concatenate(parts, axis=1) ** 2)))
