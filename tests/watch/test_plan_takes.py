"""Songs that can be planned one by one and not together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renderer.pipeline.options import Options
from renderer.watch.effects import ReadSpecs
from renderer.watch.events import SpecsRead
from renderer.watch.read_specs import read_specs
from tests.watch.conftest import DEFAULTS, Songs

if TYPE_CHECKING:
    from pathlib import Path

NAMED = {"eins": "cpu", "zwei": "auto"}


@pytest.fixture
def two_devices(tmp_path: Path, tiny_set: Path) -> Songs:
    """Two folders of specs, each for a device of its own, with the outputs folder in common."""
    made = Songs(tmp_path / "project", tiny_set)
    (made.folder / ".git").mkdir()
    for name, device in NAMED.items():
        folder = made.specs / name
        folder.mkdir()
        folder.joinpath("words.txt").write_text("[verse]\nla la la\n", "utf-8")
        made.put(folder / f"{name}.toml", made.text(name))
        here = f'device = "{device}"\noutputs = "../../outputs"\n'
        made.put(folder / "renderer.toml", here + DEFAULTS.format(model=tiny_set))
    return made


def read(songs: Songs, options: Options) -> SpecsRead:
    found = read_specs(ReadSpecs(takes=(), diagnostics=(), run_options=None), (str(songs.specs),), options)
    assert isinstance(found, SpecsRead)
    return found


def test_songs_for_several_devices_in_one_outputs_folder_are_refused_together_once(two_devices: Songs) -> None:
    found = read(two_devices, Options())

    assert not found.takes
    assert [one.song for one in found.refusals] == [None]
    assert found.refusals[0].error.message == "the songs' `renderer.toml` files name 2 devices"
    assert "--device" in found.refusals[0].error.help


def test_so_they_are_beside_a_song_that_cannot_be_planned_at_all(two_devices: Songs) -> None:
    (two_devices.folder / "empty").mkdir()
    two_devices.put(two_devices.path("drei"), 'model = "../empty"\n' + two_devices.text("drei"))

    found = read(two_devices, Options())

    assert not found.takes
    assert [one.song for one in found.refusals] == ["drei", None]


def test_with_a_device_given_they_are_planned(two_devices: Songs) -> None:
    found = read(two_devices, Options(device="cpu"))

    assert sorted(take.name for take in found.takes) == ["eins.s0", "zwei.s0"]
    assert not found.refusals
