from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from renderer.errors import UsageError
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
        path.name,
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
    "text", ["x = [", 'vote = "keep"', '["a.s1"]\nvote = "perhaps"', '["a.s1"]\nstars = "5"', '["a.s1"]\nvote = 1']
)
def test_a_file_that_is_no_picks_file_is_refused_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "picks.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=re.escape(f"`{path}`")):  # its folder too: albums have one each
        read_picks(path)
