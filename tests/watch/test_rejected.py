"""A watch over edits of takes that a listener rejected: they are left out, and that is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from renderer.errors import SpecError
from renderer.pipeline.options import Options
from renderer.watch.effects import ReadSpecs
from renderer.watch.events import SpecsRead
from renderer.watch.plan_takes import plan_takes
from renderer.watch.read_specs import read_specs
from tests.watch.conftest import Songs

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.watch.notices import Refusal

OPTIONS = Options(device="cpu")
SEEDS = "seeds = [1, 2]\n"
EDITS = """
[edits.more]
task = "cover"
src_audio = "s1"
seeds = [1]
[edits.again]
task = "cover"
src_audio = "more.s1"
seeds = [1]
[edits.other]
task = "cover"
src_audio = "s2"
seeds = [1]
"""


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path) -> Songs:
    made = Songs(tmp_path / "project", tiny_set)
    made.put(made.path("eins"), SEEDS + made.text("eins") + EDITS)
    made.put(made.path("zwei"), SEEDS + made.text("zwei"))
    (key,) = (take.key for take in read(made).takes if take.name == "eins.s1")
    made.put(made.specs / "picks.toml", f'["eins.s1"]\nvote = "reject"\nkey = "{key[:8]}"\n')
    return made


def read(songs: Songs, options: Options = OPTIONS) -> SpecsRead:
    found = read_specs(ReadSpecs(takes=(), diagnostics=(), run_options=None), (str(songs.specs),), options)
    assert isinstance(found, SpecsRead)
    return found


def told(refusals: tuple[Refusal, ...] | list[Refusal]) -> list[tuple[str | None, list[str]]]:
    return [
        (one.song, [fault.code for fault in one.error.diagnostics])
        for one in refusals
        if isinstance(one.error, SpecError)
    ]


REJECTED = ("eins", ["edit-source-rejected"])
LEFT = {"eins.s1", "eins.s2", "eins.other.s1", "zwei.s1", "zwei.s2"}


def test_what_is_made_from_a_rejected_take_is_refused_and_all_else_is_rendered(songs: Songs) -> None:
    found = read(songs)

    assert {take.name for take in found.takes} == LEFT
    assert told(found.refusals) == [REJECTED]


def test_beside_a_song_that_cannot_be_planned_it_is_told_once(songs: Songs) -> None:
    (songs.folder / "empty").mkdir()
    songs.put(songs.path("drei"), 'model = "../empty"\n' + songs.text("drei"))

    found = read(songs)

    assert {take.name for take in found.takes} == LEFT
    assert sorted(told(found.refusals)) == [("drei", ["model-fault"]), REJECTED]


def test_in_full_length_it_is_refused_when_it_is_asked_for(songs: Songs) -> None:
    found = read(songs, replace(OPTIONS, preview=5.0))
    assert not found.refusals
    refusals: list[Refusal] = []

    takes = [*(take.take for take in found.takes), *found.without_preview]
    ((_, plan),) = plan_takes(takes, OPTIONS, refusals.append)

    assert {take.name for take in plan.takes} == LEFT
    assert told(refusals) == [REJECTED]


def test_a_vote_on_a_former_version_is_in_no_edits_way(songs: Songs) -> None:
    songs.put(songs.path("eins"), SEEDS + songs.text("eins", mood="wild") + EDITS)

    found = read(songs)

    assert {take.name for take in found.takes} == {*LEFT, "eins.more.s1", "eins.again.s1"}
    assert not found.refusals
