"""A watch looks at specs that are no files, lead nowhere or name what no file is called, and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.watch.spec_files import differences, read_spec_files
from tests.cli.test_odd_files import LONG_NAME, ODD, PASTED, SPEC

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    (tmp_path / ".git").mkdir()
    (folder / "good.toml").write_text(SPEC, "utf-8")
    return folder


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_seen_and_not_waited_for(specs: Path, kind: str) -> None:
    before = read_spec_files([specs])
    ODD[kind](specs / "odd.toml")
    after = read_spec_files([specs])

    assert specs / "good.toml" in after.digests
    assert bool(differences(before, after)) == (specs / "odd.toml" in after.digests)


@pytest.mark.parametrize("written", [PASTED, LONG_NAME, "../" * 2_000, "a\0b", "x/" * 3_000])
def test_a_text_in_place_of_a_lyrics_file_is_passed_over(specs: Path, written: str) -> None:
    before = read_spec_files([specs])
    value = '"' + written.replace("\n", "\\n").replace("\0", "\\u0000") + '"'
    (specs / "song.toml").write_text(f'lyrics_file = {value}\ncaption = "slow blues"\n', "utf-8")
    changed = differences(before, read_spec_files([specs]))

    assert [path.name for path in changed.added] == ["song.toml"]
    assert read_spec_files([specs, specs / LONG_NAME]).digests.keys() >= {specs / "good.toml"}
