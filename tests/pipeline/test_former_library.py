"""Libraries of former versions, their records as those wrote them: what is said of each stage, and of all else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run
from renderer.models.ace_step.stages import FAMILY

if TYPE_CHECKING:
    from collections.abc import Callable

    Said = Callable[..., str]

FOLDER = Path(__file__).parent
REASONS = [
    "cot: asked as ACE-Step asked until April 2026",
    "codes: asked as ACE-Step asked until April 2026",
    "latents: denoised as ACE-Step did until April 2026",
    "waveform: weights were known by other files before 0.2.0",
]
VERSIONS = {"cot": 1, "codes": 1, "latents": 2, "waveform": 1}
"""Of the stages, as the first one's records have them."""


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    shutil.copytree(FOLDER / "library_0_1_0", tmp_path / "songs")
    shutil.copytree(FOLDER / "library_0_2_0_dev", tmp_path / "later songs")
    monkeypatch.chdir(tmp_path / "songs")

    def call(*arguments: str) -> str:
        capsys.readouterr()
        run(list(arguments))
        return capsys.readouterr().out

    return call


def test_each_stage_has_one_reason_in_words(said: Said) -> None:
    shown = said("status")

    assert f"changed   night.s1  {'; '.join(REASONS)}\n" in shown


def test_programs_are_told_the_versions_beside_the_words(said: Said) -> None:
    (take,) = json.loads(said("status", "--json"))["takes"]

    assert [change["told"] for change in take["changes"]] == REASONS
    assert [(change["old"], change["new"]) for change in take["changes"]] == [
        (version, FAMILY.stages[stage].version) for stage, version in VERSIONS.items()
    ]


def test_what_the_user_changed_since_is_told_beside_them(said: Said) -> None:
    spec = Path("specs/night.toml")
    spec.write_text(spec.read_text("utf-8").replace("warm piano", "cold piano"), "utf-8")

    shown = said("status")

    assert "caption lo-fi beat, warm piano → lo-fi beat, cold piano" in shown
    assert all(reason in shown for reason in REASONS)


def test_another_dtype_is_told_once_beside_them(said: Said) -> None:
    """Records of version 0.1.0 hold dtypes and kernels as prose."""
    (take,) = json.loads(said("status", "--json", "--device", "cpu", "--dtype", "bfloat16"))["takes"]

    told = [change["told"] for change in take["changes"]]
    assert sorted(told) == sorted([*REASONS, "dtype [-float32, masked-] {+bfloat16, apart+} attention"])


def test_before_settings_had_the_specs_names_in_keys_each_stage_has_that_reason(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path("../later songs"))
    named = "settings had other names in its key until 0.2.0"

    attention = "dtype float32, [-masked-] {+apart+} attention"
    told = f"cot: {named}; {attention} in --dtype; codes: {named}; latents: {named}"
    assert f"changed   night.s1  {told}" in said("status")

    spec = Path("specs/night.toml")
    spec.write_text(f'{spec.read_text("utf-8")}vocal_language = "en"\n[inference]\nlm_top_p = 0.5\n', "utf-8")
    shown = said("status")
    assert "lm_top_p 0.9 → 0.5 in [inference]" in shown
    assert "vocal_language none → en in [metas]" in shown
