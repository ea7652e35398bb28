"""A worker that lives on from round to round: what it keeps, what it reads anew, what was given up and is wanted."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from safetensors.numpy import load_file, save_file

from renderer.models.model_files import Residency
from renderer.pipeline.models import pick_settings
from renderer.pipeline.options import Options
from renderer.pipeline.render import render
from renderer.run.events import ComponentLoaded, JobDone, JobProgress
from renderer.run.executor import ExecutorConfig
from renderer.run.local import LocalPool
from renderer.run.messages import Broken, DropParts, Dropped
from renderer.run.pool_executor import PoolExecutor
from tests.models.catalog.vaes import write_vae
from tests.pipeline.conftest import Songs
from tests.stages import from_stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from renderer.plan.jobs import Job
    from renderer.run.events import RunEvent

pytestmark = pytest.mark.slow

SPEC = """
title = "{name}"
caption = "calm piano, {name}"
lyrics = "[verse]\\nla la la"
seeds = [1]
[metas]
bpm = 90
keyscale = "A minor"
timesignature = "4"
duration = 10
vocal_language = "en"
[inference]
shift = 3.0
thinking = false
use_cot_metas = false
use_cot_caption = false
use_cot_language = false
"""


@pytest.fixture(scope="module")
def resident_executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolExecutor]:
    settings = pick_settings(Options(device="cpu", threads=1, lm_slots=2))
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    config = ExecutorConfig(settings=(settings,), log=log, residency=Residency.BESIDE)
    shared = PoolExecutor(LocalPool(config), config)
    yield shared
    shared.end()


@pytest.fixture
def songs(tmp_path: Path, tiny_set: Path, resident_executor: PoolExecutor) -> Songs:
    model = shutil.copytree(tiny_set, tmp_path / "model")
    songs = Songs(tmp_path / "project", model, resident_executor)
    songs.write("eins", SPEC)
    return songs


def loads(songs: Songs) -> set[str]:
    return {event.component for event in songs.events if isinstance(event, ComponentLoaded)}


def test_what_is_resident_is_not_read_again_in_the_next_round(songs: Songs) -> None:
    songs.render()
    first = loads(songs)
    songs.edit("eins", "shift = 3.0", "shift = 2.0")

    summary = songs.render()

    assert {"dit", "vae"} <= first
    assert summary.rendered == ("eins.s1",)
    assert summary.loads == {}


def test_weights_replaced_under_the_same_path_are_read_anew(songs: Songs, tmp_path: Path) -> None:
    songs.render()
    before = songs.audio()
    weights = next((tmp_path / "model" / "vae").glob("*.safetensors"))
    save_file({name: array * 1.25 for name, array in load_file(weights).items()}, weights)

    summary = songs.render()

    assert summary.loads == {"vae": 1}
    assert songs.audio() != before


def test_another_vae_is_read_and_nothing_else_and_the_former_one_is_not_used_by_mistake(
    songs: Songs, tmp_path: Path
) -> None:
    bright = write_vae(tmp_path / "bright", tmp_path / "model" / "vae")
    songs.render()
    own = songs.audio()
    songs.edit("eins", "seeds", f'vae = "{bright}"\nseeds')

    other = songs.render()
    sound = songs.audio()
    songs.edit("eins", "shift = 3.0", "shift = 2.0")
    shifted = songs.render()
    songs.edit("eins", f'vae = "{bright}"\n', "")
    songs.edit("eins", "shift = 2.0", "shift = 1.0")
    back = songs.render()
    last = songs.audio()
    songs.render(force=True)

    assert (other.rendered, other.loads) == (("eins.s1",), {"vae": 1})
    assert sound != own
    # The DiT is the same one, whatever decodes what it makes.
    assert (shifted.rendered, shifted.loads) == (("eins.s1",), {})
    assert (back.rendered, back.loads) == (("eins.s1",), {"vae": 1})
    assert songs.audio() == last


def test_a_job_given_up_in_one_round_runs_in_the_next(songs: Songs) -> None:
    begun: list[Job] = []

    def listen(event: RunEvent) -> None:
        songs.events.append(event)
        if isinstance(event, JobProgress):
            begun.append(event.job)

    project = songs.project()
    given_up = render(project, listen=listen, executor=songs.executor, abandon=lambda _: bool(begun))
    assert (given_up.rendered, given_up.failures) == ((), ())
    assert not [event for event in songs.events if isinstance(event, JobDone)]

    summary = songs.render()

    assert summary.rendered == ("eins.s1",)
    assert {event.job.stage for event in songs.events if isinstance(event, JobDone)} == {*from_stage("latents")}


def test_what_goes_wrong_while_a_worker_is_warmed_up_is_no_answer_to_what_it_is_asked_next(
    resident_executor: PoolExecutor,
) -> None:
    resident_executor.warm("no such family")
    resident_executor.pool.send(0, DropParts())

    said: list[object] = []
    while not said or not isinstance(said[-1], Dropped):
        said += (resident_executor.pool.next(1.0) or ())[1:]

    assert [event for event in said if isinstance(event, Broken)] == []
