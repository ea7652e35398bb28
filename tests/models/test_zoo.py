"""What a name or a folder means before any of its weights is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from renderer.models import zoo
from tests.models.ace_step.layouts import write_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["turbo", "turbo-shift1", "turbo-shift3", "turbo-continuous"])
def test_a_folder_has_the_shifts_of_the_name_it_was_published_under(tiny_set: Path, tmp_path: Path, name: str) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", dit=f"acestep-v15-{name}")

    for folder in (bundle, bundle / f"acestep-v15-{name}"):
        facts = zoo.model_facts(str(folder))
        assert (facts.shifts, facts.shift) == (zoo.model_facts(name).shifts, zoo.model_facts(name).shift)


def test_without_a_shift_of_its_own_a_song_takes_one_that_its_checkpoint_knows() -> None:
    assert {name: zoo.model_facts(name).shift for name in zoo.MODELS} == {
        **{name: 3.0 for name in zoo.MODELS if "turbo" in name},
        **{name: 1.0 for name in zoo.MODELS if "turbo" not in name},
        "turbo-shift1": 1.0,
    }


def test_a_name_alone_makes_no_other_kind(tiny_set: Path, tmp_path: Path) -> None:
    """What is trained further under the same name says its kind in its config."""
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", dit="acestep-v15-turbo-shift1")
    path = bundle / "acestep-v15-turbo-shift1" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "is_turbo": False, "model_version": "base"}))

    assert zoo.model_facts(str(bundle)).shifts is None


def test_a_folder_of_any_other_name_has_the_shifts_of_its_kind(tiny_set: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints", dit="acestep-v15-mine")

    assert zoo.model_facts(str(bundle)).shifts == (1.0, 2.0, 3.0)
