"""Every error has its entry for `check --explain`, and each example shows what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from renderer.spec.diagnostics import Level
from renderer.spec.fault_table import FAULTS, Fault, fault_entry, value_codes
from renderer.spec.lints.table import LINTS
from renderer.spec.load import load_songs

SPEC = Path(__file__).parents[2] / "renderer" / "spec"
SHOWN = [fault for fault in FAULTS if fault.bad]


def test_every_code_that_stands_in_the_source_is_explained() -> None:
    written = {code for file in SPEC.rglob("*.py") for code in re.findall(r'code="([a-z-]+)"', file.read_text("utf-8"))}
    lints = {lint.code for lint in LINTS}

    assert sorted(code for code in written - lints if fault_entry(code) is None) == []


def test_every_code_that_a_snapshot_shows_is_explained() -> None:
    texts = (file.read_text("utf-8") for file in (Path(__file__).parent / "snapshots").glob("*.txt"))
    codes = {code for text in texts for code in re.findall(r"^(?:error|warning|note)\[([a-z-]+)\]", text, re.MULTILINE)}
    lints = {lint.code for lint in LINTS}

    assert len(codes) > 20
    assert sorted(code for code in codes - lints if fault_entry(code) is None) == []


def test_no_error_is_explained_that_nothing_gives() -> None:
    text = "".join(file.read_text("utf-8") for file in SPEC.rglob("*.py") if file.name != "fault_table.py")
    named = {"model-unknown", "lm-unknown", "vae-unknown", "based-on-unknown"}  # made of the key's name

    assert [fault.code for fault in FAULTS if f'"{fault.code}"' not in text and fault.code not in named] == []


@pytest.mark.parametrize("fault", SHOWN, ids=lambda fault: fault.code)
def test_the_examples_show_the_error_and_how_it_is_mended(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / ".git").mkdir()
    spec = tmp_path / "song.toml"
    spec.write_text(fault.bad, encoding="utf-8")
    assert fault.code in [one.code for one in load_songs([spec]).diagnostics]

    spec.write_text(fault.good, encoding="utf-8")
    assert [one.code for one in load_songs([spec]).diagnostics if one.level is Level.ERROR] == []


def test_what_can_be_wrong_with_a_value_is_explained_for_every_key() -> None:
    codes = list(value_codes())

    assert {"bpm-range", "seeds-type", "keyscale-form", "vocal-language-choice", "caption-empty"} <= set(codes)
    assert all(fault_entry(code) for code in codes)
    assert fault_entry("bpm-colour") is None
