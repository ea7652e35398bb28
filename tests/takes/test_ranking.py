"""The order of a song's takes: by scores beside those of the song's others, each with its reason."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.takes.learning import learned_weights
from renderer.takes.ranking import SCORES, ranked, standardised
from renderer.takes.take_scores import SkippedAt, TakeScores
from tests.report.sung_songs import LYRICS, heard

WEIGHTS = {row.name: row.weight for row in SCORES}


def points(takes: dict[str, TakeScores], **weights: float) -> dict[str, float]:
    return {take.name: take.points for take in ranked(takes, weights)}


def test_points_are_weighed_deviations_from_the_mean_of_the_song() -> None:
    takes = {
        "a": TakeScores(plan=0.2, alignment=0.5, num_lines=4),
        "b": TakeScores(plan=0.6, alignment=0.1, num_lines=4, skipped=(SkippedAt(text="la", seconds=3.0),)),
        "c": TakeScores(plan=0.7, alignment=0.3, num_lines=4),
    }

    plan, alignment, lines = (np.array(one) for one in ([0.2, 0.6, 0.7], [0.5, 0.1, 0.3], [1.0, 0.75, 1.0]))
    expected = sum((one - one.mean()) / one.std() for one in (plan, alignment, lines))
    assert points(takes) == pytest.approx(dict(zip("abc", expected, strict=True)))
    assert [take.name for take in ranked(takes)] == ["c", "a", "b"]


def test_what_is_lacking_and_what_all_have_alike_counts_nothing() -> None:
    takes = {
        "a": TakeScores(plan=0.5, num_clipped=3),
        "b": TakeScores(num_clipped=3),
        "c": TakeScores(plan=0.7, num_clipped=3),
    }

    assert points(takes) == pytest.approx({"c": 1.0, "b": 0.0, "a": -1.0})


def test_a_score_that_a_take_lacks_leaves_it_where_its_others_put_it_and_is_told() -> None:
    takes = {
        name: TakeScores(plan=plan, alignment=alignment, num_clipped=0)
        for name, plan, alignment in (("a", 0.9, 0.5), ("b", 0.1, 0.5), ("fix", None, 0.8), ("old", 0.5, None))
    }

    found = {take.name: take for take in ranked(takes)}

    without = points({name: replace(one, plan=None) for name, one in takes.items()})
    assert found["fix"].points == pytest.approx(without["fix"])
    assert points({name: one for name, one in takes.items() if name != "fix"})["a"] == pytest.approx(
        found["a"].points - without["a"]
    ), "nor does it move what others have of that score"
    assert {name: take.unscored for name, take in found.items()} == {
        "a": (),
        "b": (),
        "fix": ("plan",),
        "old": ("alignment",),
    }


def test_a_score_that_tells_none_apart_is_no_lack() -> None:
    takes = {"a": TakeScores(plan=0.5), "b": TakeScores(plan=0.5), "c": TakeScores()}

    assert [take.unscored for take in ranked(takes)] == [(), (), ()]


def test_a_take_is_told_what_speaks_for_and_against_it() -> None:
    takes = {
        "a": TakeScores(plan=0.9, num_clipped=900, num_lines=2, skipped=(SkippedAt(text="oh", seconds=1.0),)),
        "b": TakeScores(plan=0.1, num_clipped=0, num_lines=2),
    }

    first, second = ranked(takes, {"plan": 3.0})

    assert [one.text for one in first.speaks_for] == ["plan 0.90"]
    assert [one.text for one in first.speaks_against] == ["1 of 2 lines skipped?", "900 samples clipped"]
    assert [one.text for one in second.speaks_for] == ["none of 2 lines skipped", "0 samples clipped"]
    assert (first.rank, second.rank) == (1, 2)


def test_loudness_is_best_where_the_songs_takes_are() -> None:
    takes = {
        name: TakeScores(loudness_lufs=value) for name, value in zip("abcd", (-14.0, -14.5, -9.0, -15.0), strict=True)
    }

    assert ranked(takes)[-1].name == "c"


def test_a_take_of_other_words_altogether_is_no_worse_for_more_of_them() -> None:
    all_wrong = heard(LYRICS, wrong=(1, 2, 5, 6))
    takes = {
        "a": TakeScores(words=replace(all_wrong, num_errors=3 * all_wrong.num_words)),
        "b": TakeScores(words=all_wrong),
        "c": TakeScores(words=heard(LYRICS)),
    }

    assert points(takes, words=1.0)["a"] == points(takes, words=1.0)["b"] < 0 < points(takes)["c"]
    assert ranked(takes)[1].reasons[0].text.startswith(f"{all_wrong.num_words} of {all_wrong.num_words} words")


def test_only_what_one_recogniser_heard_is_compared() -> None:
    takes = {
        "a": TakeScores(words=heard(LYRICS)),
        "b": TakeScores(words=heard(LYRICS, wrong=(2,))),
        "c": TakeScores(words=replace(heard(LYRICS, wrong=(1, 2, 5, 6)), digest="another")),
    }

    assert points(takes) == pytest.approx({"a": 1.0, "c": 0.0, "b": -1.0})
    assert all(one.name != "words" for take in ranked(takes) if take.name == "c" for one in take.reasons)


def test_tempos_that_nobody_hears_apart_decide_no_places() -> None:
    near = {name: TakeScores(tempo_off=off, bpm=90.0) for name, off in zip("abc", (0.039, 0.0, 0.01), strict=True)}

    assert set(points(near).values()) == {0.0}
    assert ranked({**near, "d": TakeScores(tempo_off=0.05, bpm=94.5)})[-1].name == "d"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_the_order_in_which_takes_are_given_only_settles_ties(values: list[float], drawn: random.Random) -> None:
    takes = {f"s{number}": TakeScores(plan=value) for number, value in enumerate(values)}
    names = [*takes]
    drawn.shuffle(names)

    one, other = ranked(takes), ranked({name: takes[name] for name in names})

    assert [take.points for take in one] == pytest.approx([take.points for take in other])
    assert {take.name: take.points for take in one} == pytest.approx({take.name: take.points for take in other})


def test_every_score_has_words_for_a_take_that_has_it() -> None:
    full = TakeScores(
        plan=0.5,
        alignment=0.5,
        num_lines=3,
        is_measured=True,
        tempo_off=0.01,
        bpm=120.0,
        in_key=True,
        keyscale="A minor",
        seconds_off=0.1,
        silent_seconds=0.2,
        num_clipped=0,
        loudness_lufs=-14.0,
        words=heard(LYRICS, wrong=(2,)),
    )

    (take,) = ranked({"a": full})

    assert {one.name for one in take.reasons} == {row.name for row in SCORES}
    assert all(one.text and one.points == 0.0 for one in take.reasons)
    assert take.speaks_for == take.speaks_against == ()


def pairs(num: int, *, by: str) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Votes of somebody who listens to one score alone."""
    drawn, found = random.Random(3), []
    for _ in range(num):
        takes = {name: TakeScores(plan=drawn.random(), alignment=drawn.random()) for name in "ab"}
        best, worst = sorted(takes, key=lambda name: -(getattr(takes[name], by) or 0.0))
        standards = standardised(takes)
        found.append((standards[best], standards[worst]))
    return found


def test_many_votes_by_one_score_make_it_the_one_that_counts() -> None:
    weights = learned_weights(pairs(200, by="alignment"))

    assert weights["alignment"] > 2 * WEIGHTS["alignment"]
    assert abs(weights["plan"]) < 0.5
    assert weights["tempo"] == WEIGHTS["tempo"]  # of which the votes say nothing


def test_one_vote_changes_the_weights_a_little_and_none_not_at_all() -> None:
    assert learned_weights([]) == WEIGHTS
    weights = learned_weights(pairs(1, by="plan"))
    assert 0 < weights["plan"] - WEIGHTS["plan"] < 0.5


def test_learned_weights_are_where_the_likelihood_is_greatest() -> None:
    votes = pairs(20, by="plan")
    names = [row.name for row in SCORES]
    start = np.array([WEIGHTS[name] for name in names])
    rows = np.array([[one.get(name, 0) - other.get(name, 0) for name in names] for one, other in votes])

    def loss(weights: np.ndarray) -> float:
        return float(np.log1p(np.exp(-rows @ weights)).sum() + ((weights - start) ** 2).sum() / 2)

    found = np.array([learned_weights(votes)[name] for name in names])
    drawn = np.random.default_rng(0)
    assert all(loss(found) <= loss(found + drawn.normal(0, 0.05, len(found))) for _ in range(50))
