"""What a name or a folder means before any of its weights is read."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from renderer.errors import ModelError
from renderer.models.catalog import hub, zoo
from renderer.pipeline.bench import model_on_disk
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


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("acestep-v15-turbo", "turbo"),
        ("ACE-Step/acestep-v15-sft", "sft"),
        ("ACE-Step/acestep-v15-base", "base"),
        ("acestep-v15-turbo-shift1", "turbo-shift1"),
        ("ACE-Step/acestep-v15-turbo-continuous", "turbo-continuous"),
        ("acestep-v15-xl-turbo", "xl-turbo"),
        ("ACE-Step/acestep-v15-xl-sft-diffusers", "xl-sft-diffusers"),
        ("https://huggingface.co/ACE-Step/acestep-v15-xl-base", "xl-base"),
        ("https://modelscope.cn/models/ACE-Step/acestep-v15-sft/", "sft"),
        ("ACE-Step/Ace-Step1.5", "turbo"),
        ("ace-step/ACESTEP-V15-TURBO", "turbo"),
    ],
)
def test_the_names_that_models_are_published_under_lead_to_ours(written: str, known: str) -> None:
    facts = zoo.model_facts(written)

    assert facts == zoo.model_facts(known)
    assert zoo.sources_of(written) == zoo.sources_of(known)
    assert zoo.resolve(written).missing == zoo.resolve(known).missing


@pytest.mark.parametrize(("written", "known"), [("acestep-5Hz-lm-0.6B", "0.6B"), ("ACE-Step/acestep-5Hz-lm-4B", "4B")])
def test_the_names_that_lms_are_published_under_lead_to_ours(written: str, known: str) -> None:
    assert zoo.sources_of(written) == zoo.sources_of(known)
    assert zoo.resolve("turbo", written).missing == zoo.resolve("turbo", known).missing


@pytest.mark.parametrize("written", ["acestep-v15-mini", "acestep-v15-", "acestep-v16-turbo", "Other/acestep-v15-sft"])
def test_a_name_that_nothing_is_published_under_stays_unknown(written: str) -> None:
    with pytest.raises(ModelError, match="there is no model"):
        zoo.model_facts(written)


def test_a_folder_called_like_a_published_model_is_that_folder(
    tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tiny_set, tmp_path)
    monkeypatch.chdir(tmp_path)

    files = zoo.resolve("acestep-v15-turbo").files
    assert files is not None
    assert files.dit == str(tmp_path / "acestep-v15-turbo")


def test_a_set_whose_lm_is_missing_is_not_what_a_machine_is_measured_with(
    tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_bundle(tiny_set, tmp_path / "checkpoints")
    monkeypatch.setattr(hub.platformdirs, "user_config_path", lambda _: tmp_path / "config")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    hub.remember_folder(bundle)
    assert model_on_disk() == "turbo"

    shutil.rmtree(bundle / "acestep-5Hz-lm-1.7B")

    assert zoo.resolve("turbo").missing == ("1.7B",)
    assert model_on_disk() == "mini"
