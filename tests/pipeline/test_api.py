"""The library's face as a program and an interactive session see it."""

from __future__ import annotations

import pydoc
from dataclasses import fields
from inspect import Parameter, signature
from pathlib import Path

import pytest

import renderer
from renderer.errors import SpecError
from renderer.pipeline.options import OptionKeywords, Options
from renderer.pipeline.summary import Summary
from renderer.plan.jobs import Plan


def test_a_spec_errors_text_has_every_fault_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "eins.toml").write_text('caption = "x"\ninstrumental = true\n[metas]\nbpm = 9000\nbpn = 3\n', "utf-8")

    with pytest.raises(SpecError) as refused:
        renderer.load_songs([tmp_path]).require()

    text = str(refused.value)
    assert text.startswith("2 faults in the specs\n")
    assert "eins.toml:4:7" in text
    assert "4 | bpm = 9000" in text
    assert "did you mean `bpm`?" in text


def test_a_summary_prints_three_lines() -> None:
    summary = Summary(
        plan=Plan(takes=(), groups=()), outputs=Path("outputs"), rendered=("a.s1",), restored=(), retagged=(), kept=(),
        failures=(), seconds=2.5, loads={"lm": 1}, loads_song_by_song={"lm": 4},
    )  # fmt: skip

    assert str(summary).splitlines() == [
        "1 rendered in 2.5 s",
        "loads: lm 1×; song by song it would have been 4",
        "takes in outputs",
    ]


@pytest.mark.parametrize("function", [renderer.render, renderer.make_plan])
def test_help_shows_every_option_with_its_default(function: object) -> None:
    shown = signature(function)  # type: ignore[arg-type]
    options = {one.name: one.default for one in fields(Options)}

    assert {name: shown.parameters[name].default for name in options} == options
    assert {shown.parameters[name].kind for name in options} == {Parameter.KEYWORD_ONLY}
    assert set(options) == set(OptionKeywords.__annotations__)
    assert "first_seed: 'bool' = False" in pydoc.plain(pydoc.render_doc(function))
