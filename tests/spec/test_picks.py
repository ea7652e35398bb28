from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.errors import SpecError
from renderer.spec.picks import Pick, Vote, picks_text, read_picks

if TYPE_CHECKING:
    from pathlib import Path

HANDWRITTEN = """# the album

["chihuahua.s7"]
vote = "keep" # the one
note = "the bridge"

["night.wide.s1"]
vote = "reject"
"""


def test_no_file_is_no_picks(tmp_path: Path) -> None:
    assert read_picks(tmp_path / "picks.toml") == {}


def test_votes_are_put_in_and_taken_out_and_the_rest_stays_as_written(tmp_path: Path) -> None:
    path = tmp_path / "picks.toml"
    path.write_text(HANDWRITTEN, "utf-8")
    text = picks_text(
        HANDWRITTEN,
        path,
        {
            "chihuahua.s7": Pick(vote=Vote.REJECT, note='too "loud"\n夜', key="3f2a90c1"),
            "night.wide.s1": Pick(),
            "rain.s3": Pick(vote=Vote.KEEP),
            "never.s1": Pick(),
        },
    )
    path.write_text(text, "utf-8")
    assert text.startswith("# the album\n")
    assert "# the one" in text
    assert read_picks(path) == {
        "chihuahua.s7": Pick(vote=Vote.REJECT, note='too "loud"\n夜', key="3f2a90c1"),
        "rain.s3": Pick(vote=Vote.KEEP),
    }


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("x = [", [(1, "toml-syntax", "")]),
        ('vote = "keep"', [(1, "pick-form", '"keep"')]),
        ('["a.s1"]\nvote = "kep"', [(2, "vote-choice", '"kep"')]),
        (
            '["a.s1"]\nstars = "5"\n["b.s1"]\nvote = 1\nnote = "fine"',
            [(2, "unknown-key", "stars"), (4, "pick-form", "1")],
        ),
    ],
)
def test_a_file_that_is_no_picks_file_is_refused_with_the_place_of_each_fault_not_overwritten(
    tmp_path: Path, text: str, places: list[tuple[int, str, str]]
) -> None:
    path = tmp_path / "picks.toml"
    path.write_text(text, "utf-8")

    with pytest.raises(SpecError) as refused:
        read_picks(path)
    with pytest.raises(SpecError):
        picks_text(text, path, {"rain.s3": Pick(vote=Vote.KEEP)})

    for found, (line, code, marked) in zip(refused.value.diagnostics, places, strict=True):
        assert found.span is not None
        assert (found.file, found.span.line, found.code) == (path, line, code)
        assert not marked or found.excerpt[found.span.column - 1 : found.span.end - 1] == marked
    assert "did you mean `keep`" in str(refused.value) or '"kep"' not in text
