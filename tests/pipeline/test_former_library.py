"""A library of version 0.1.0, its records as that version wrote them: what is said of each stage, and of all else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from renderer.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable

    Said = Callable[..., str]

LIBRARY = Path(__file__).parent / "library_0_1_0"
REASONS = [
    "cot: asked as ACE-Step asked until April 2026",
    "codes: asked as ACE-Step asked until April 2026",
    "latents: denoised as ACE-Step did until April 2026",
    "waveform: weights were known by other files before 0.2.0",
]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    shutil.copytree(LIBRARY, tmp_path / "songs")
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
    assert [(change["old"], change["new"]) for change in take["changes"]] == [(1, 2), (1, 2), (2, 3), (1, 2)]


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
    assert sorted(told) == sorted([*REASONS, "dtype float32, masked attentio… → bfloat16, masked attenti…"])
