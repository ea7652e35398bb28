"""A row more in a family's table: what doesn't build on it keeps its keys, and what does reads it by the same name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from renderer.models.ace_step.stages import FAMILY
from renderer.models.family import runner_of
from renderer.plan.jobs import Why
from tests.pipeline.without_models import carry_out

if TYPE_CHECKING:
    from renderer.models.stage_spec import StageSpec
    from renderer.plan.jobs import TakePlan
    from tests.pipeline.conftest import Songs


@pytest.fixture
def rendered(songs: Songs) -> Songs:
    songs.write("eins")
    carry_out(songs.project())
    return songs


def add(monkeypatch: pytest.MonkeyPatch, *rows: StageSpec) -> None:
    """Have the family's table hold these, in place of those of the same names or behind all."""
    table = cast("dict[str, StageSpec]", FAMILY.stages)
    for row in rows:
        monkeypatch.setitem(table, row.name, row)


def echo() -> StageSpec:
    """Latents of latents."""
    return replace(FAMILY.stages["latents"], name="echo", needs={"latents": "latents"})


def take(songs: Songs) -> TakePlan:
    return songs.project().plan().takes[0]


def test_what_does_not_build_on_it_keeps_its_keys_and_stays_done(
    rendered: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = take(rendered)

    add(monkeypatch, echo())

    after = take(rendered)
    assert (after.why, after.key) == (Why.DONE, before.key)
    assert before.keys.items() == {name: key for name, key in after.keys.items() if name != "echo"}.items()


def test_what_builds_on_it_moves_and_reads_it_by_the_name_it_read_before(
    rendered: Songs, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = take(rendered)
    waveform = FAMILY.stages["waveform"]
    monkeypatch.delitem(cast("dict[str, StageSpec]", FAMILY.stages), "waveform")

    add(monkeypatch, echo(), replace(waveform, needs={"latents": "echo"}))

    after = take(rendered)
    assert after.runs == ("echo", "waveform")
    assert after.keys["latents"] == before.keys["latents"]
    job = next(job for job in rendered.project().plan().jobs if job.stage == "waveform")
    assert job.upstream == {"latents": after.keys["echo"]}


def test_each_rows_runner_is_found() -> None:
    assert all(callable(runner_of(spec)) for spec in FAMILY.stages.values())
