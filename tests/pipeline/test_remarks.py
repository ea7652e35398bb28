"""What a take was not told whole is said: in its recipe, in the report, at the end of the render."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from renderer.report.build import make_report
from renderer.report.compare import flags
from renderer.run.events import TakeDone

if TYPE_CHECKING:
    from tests.pipeline.conftest import Songs

pytestmark = pytest.mark.slow

SPEC = """
title = "{name}"
caption = "calm piano"
lyrics = "[verse]\\nla la"
seeds = [1, 2]
[metas]
bpm = 90
duration = 10
keyscale = "A minor"
timesignature = "4"
[inference]
thinking = false
"""
LONG = "warm and slow upright piano " * 60
METAS_LOST = "tokens, the DiT hears 256: the metas at its end are lost"


def test_a_caption_that_pushes_the_metas_off_is_told_everywhere(songs: Songs) -> None:
    songs.write("kurz", SPEC)
    songs.write("lang", SPEC.replace("calm piano", LONG))

    summary = songs.render()

    ((remark, takes),) = summary.remarks.items()
    assert remark.startswith("the text prompt has ")
    assert remark.endswith(METAS_LOST)
    assert takes == ("lang.s1", "lang.s2")
    told = {event.take.name: event.remarks for event in songs.events if isinstance(event, TakeDone)}
    assert told == {"kurz.s1": (), "kurz.s2": (), "lang.s1": (remark,), "lang.s2": (remark,)}
    recipes = {
        name: tomllib.loads((songs.outputs / name / f"{name}.s1.toml").read_text("utf-8")) for name in ("kurz", "lang")
    }
    assert recipes["lang"]["cut"] == [remark]
    assert "cut" not in recipes["kurz"]
    flagged = {
        take.name: [flag.text for flag in flags(take, song.metas) if flag.code == "cut"]
        for song in make_report(songs.project()).songs
        for take in song.takes
    }
    assert flagged == {"kurz.s1": [], "kurz.s2": [], "lang.s1": [remark], "lang.s2": [remark]}
    # What was said once isn't said again of takes that are kept.
    assert songs.render().remarks == {}


def test_a_caption_the_lm_wrote_is_counted_when_it_is_there(songs: Songs) -> None:
    """Nobody can know before: the user's own caption is short."""
    songs.write(
        "eins", SPEC.replace('keyscale = "A minor"\n', "").replace("thinking = false", "use_cot_caption = true")
    )

    summary = songs.render()

    recipe = tomllib.loads((songs.outputs / "eins" / "eins.s1.toml").read_text("utf-8"))
    assert len(recipe["decided"]["caption"]) > 256
    assert [remark.endswith(METAS_LOST) for remark in summary.remarks] == [True]
    assert recipe["cut"] == list(summary.remarks)
