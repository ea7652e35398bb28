"""Votes from a served page: where they are written, whatever the specs are like by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.cli.serving import _publish, voter
from renderer.errors import UsageError
from renderer.pipeline.options import Options
from renderer.report import Report
from renderer.serve import LiveReport
from renderer.spec.picks import Pick, Vote, read_picks
from tests.pipeline.conftest import Songs
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from pathlib import Path

SPEC = 'title = "Eins"\ncaption = "calm piano"\nlyrics = "[verse]\\nla la"\nseeds = [1]\n[variants.wide]\nshift = 2.0\n'
KEEP = Pick(vote=Vote.KEEP, key="3f2a90c1")


@pytest.fixture
def specs(tmp_path: Path, tiny_set: Path) -> Path:
    folder = tmp_path / "specs"
    folder.mkdir()
    (tmp_path / "renderer.toml").write_text(f'model = "{tiny_set}"\n', "utf-8")
    (folder / "eins.toml").write_text(SPEC, "utf-8")
    return folder


def test_votes_on_previews_and_variants_are_written_under_their_own_names(specs: Path) -> None:
    live = LiveReport(Report(songs=()))
    vote = voter((str(specs),), Options(preview=7.5), live)

    vote("eins.s1.preview7.5", KEEP)
    vote("eins.wide.s1", Pick(vote=Vote.REJECT))

    written = {"eins.s1.preview7.5": KEEP, "eins.wide.s1": Pick(vote=Vote.REJECT)}
    assert read_picks(specs / "picks.toml") == written
    assert live.report.picks == written


def test_a_vote_counts_while_its_spec_is_broken(specs: Path) -> None:
    vote = voter((str(specs),), Options(), LiveReport(Report(songs=())))
    (specs / "eins.toml").write_text("title = ", "utf-8")

    vote("eins.s1", KEEP)

    assert read_picks(specs / "picks.toml") == {"eins.s1": KEEP}


@pytest.mark.slow
def test_every_take_is_measured_while_the_page_is_served(tmp_path: Path, tiny_set: Path) -> None:
    songs = Songs(tmp_path / "project", tiny_set, None)  # type: ignore[arg-type]  # no worker runs
    songs.write("eins", SPEC.replace("[1]", "[1, 2]").partition("[variants")[0])
    carry_out(songs.project())
    live = LiveReport(Report(songs=()))

    _publish((str(songs.folder / "specs"),), Options(), live, (), measure=True)

    takes = live.report.songs[0].takes
    assert [take.name for take in takes if take.measured] == ["eins.s1", "eins.s2"]


def test_a_vote_without_a_spec_is_refused(specs: Path) -> None:
    vote = voter((str(specs),), Options(), LiveReport(Report(songs=())))

    with pytest.raises(UsageError, match=r"no spec bears `zwei\.s1`"):
        vote("zwei.s1", KEEP)
    assert not (specs / "picks.toml").exists()
