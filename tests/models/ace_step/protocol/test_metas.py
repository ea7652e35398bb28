"""The think block's YAML, and whose word counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.artifacts import Cot, CotMetas
from renderer.models.ace_step.protocol.dit_prompt import make_dit_prompt
from renderer.models.ace_step.protocol.metas import decided_metas, parse_cot, think_yaml, user_metas_as_cot
from renderer.settings import Metas
from tests.models.ace_step.asks import OPEN, latents_request

LONG = (
    "An energetic and uplifting synthwave track driven by pulsing analog bass, gated drums and shimmering arpeggios, "
    "with a confident female vocal that soars in the chorus."
)
LATENTS = latents_request(caption="mine", lyrics="la", metas=OPEN)
COT = CotMetas(bpm=90, caption="theirs", duration=60, keyscale="A minor", language="es", timesignature="4")


def test_the_users_metas_are_four_lines() -> None:
    metas = Metas(bpm=120, keyscale="A minor", timesignature="4", duration=60.9)

    assert think_yaml(user_metas_as_cot(metas)) == "bpm: 120\nduration: 60\nkeyscale: A minor\ntimesignature: 4"


def test_no_metas_are_no_yaml() -> None:
    assert think_yaml(CotMetas()) == ""


def test_long_captions_fold_past_the_80th_column() -> None:
    lines = think_yaml(CotMetas(caption=LONG)).split("\n")

    assert [len(line) for line in lines] == [82, 83, 13]
    assert lines[0].endswith("bass,")
    assert lines[1].endswith("soars in")
    assert lines[2].startswith("  ")


@pytest.mark.parametrize(
    ("metas", "expected"),
    [
        (CotMetas(caption="A song: with colon, it's nice"), "caption: 'A song: with colon, it''s nice'"),
        (CotMetas(caption="it's 100% raw; track & more"), "caption: it's 100% raw; track & more"),
        (CotMetas(caption="2024"), "caption: 2024"),
        (CotMetas(caption="true"), "caption: 'true'"),
        (CotMetas(language="no"), "language: 'no'"),
        (CotMetas(keyscale="F# minor"), "keyscale: F# minor"),
        (CotMetas(keyscale="B♭ major"), "keyscale: B♭ major"),
        (CotMetas(timesignature="3/4"), "timesignature: 3"),
        (CotMetas(timesignature="6/8"), "timesignature: 6/8"),
    ],
)
def test_scalars_are_quoted_as_in_the_training_texts(metas: CotMetas, expected: str) -> None:
    assert think_yaml(metas) == expected


def test_a_chain_of_thought_is_read_field_by_field() -> None:
    text = (
        "<think>\nbpm: 73\ncaption: A calm\n  piano: melody.\nduration: 273\nkeyscale: G major\nlanguage: en\n"
        "timesignature: 4\n<|im_end|>"
    )

    assert parse_cot(text) == CotMetas(
        bpm=73,
        caption="A calm piano: melody.",
        duration=273,
        keyscale="G major",
        language="en",
        timesignature="4",
    )


def test_quotes_the_lm_had_to_write_are_taken_off() -> None:
    assert parse_cot("caption: 'A song: it''s\n  nice'").caption == "A song: it's nice"
    assert parse_cot('caption: "tab\\there"').caption == "tab\there"


def test_a_take_says_where_quotes_were_taken_off() -> None:
    """Upstream would have told the DiT the quotes, too."""
    quoted = "<think>\nbpm: 90\ncaption: 'A song: it''s\n  nice'\nkeyscale: A minor\n</think>\n"
    plain = quoted.replace("'A song: it''s\n  nice'", "it's 'nice'")

    told, silent = (make_dit_prompt(LATENTS, Cot(text=text, metas=parse_cot(text)), None) for text in (quoted, plain))

    assert told.metas.caption == "A song: it's nice"
    assert [one.partition(":")[0] for one in told.departures] == ["caption"]
    assert silent.departures == ()
    # Where the user's own caption counts, nothing was taken off it.
    own = replace(LATENTS, use_cot_caption=False)
    assert make_dit_prompt(own, Cot(text=quoted, metas=parse_cot(quoted)), None).departures == ()


def test_a_quote_that_is_no_yaml_stays() -> None:
    assert parse_cot("caption: 'Round midnight").caption == "'Round midnight"
    assert parse_cot('caption: "Heroes" in the rain').caption == '"Heroes" in the rain'


def test_unreadable_fields_are_none() -> None:
    assert parse_cot("bpm: fast\nduration:\nnonsense\ngenres: rock\n") == CotMetas()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), min_size=1))
def test_any_caption_survives_the_yaml_round_trip(text: str) -> None:
    caption = text.strip()
    metas = replace(COT, caption=caption or None)

    assert parse_cot(f"<think>\n{think_yaml(metas)}\n</think>\n") == metas


@pytest.mark.parametrize("caption", ["🎹 piano: 'quoted' \"twice\"", "# not a comment", "- a dash: x", "a" * 200])
def test_awkward_captions_survive_the_yaml_round_trip(caption: str) -> None:
    assert parse_cot(think_yaml(CotMetas(caption=caption * 3))).caption == caption * 3


def test_the_users_word_counts_before_the_chain_of_thought() -> None:
    request = replace(
        LATENTS,
        metas=Metas(bpm=120, keyscale="C major", timesignature="3", duration=10.5, vocal_language="ja"),
    )

    metas = decided_metas(request, COT)

    assert (metas.bpm, metas.keyscale, metas.timesignature, metas.duration) == (120, "C major", "3", 10.5)
    assert (metas.caption, metas.language) == ("theirs", "ja")


def test_the_chain_of_thought_fills_what_the_user_left_open() -> None:
    metas = decided_metas(LATENTS, COT)

    assert (metas.bpm, metas.keyscale, metas.timesignature, metas.duration) == (90, "A minor", "4", 60)
    assert (metas.caption, metas.language) == ("theirs", "es")


def test_switched_off_caption_and_language_stay_the_users() -> None:
    metas = decided_metas(replace(LATENTS, use_cot_caption=False, use_cot_language=False), COT)

    assert (metas.caption, metas.language) == ("mine", "unknown")


def test_without_a_chain_of_thought_the_dit_gets_what_the_user_said() -> None:
    metas = decided_metas(LATENTS, None)

    assert (metas.caption, metas.language, metas.bpm, metas.duration) == ("mine", "unknown", None, None)
