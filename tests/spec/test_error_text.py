"""What a program that catches a `SpecError` can print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import renderer
from renderer.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path


def test_its_text_has_every_fault_with_line_and_caret(tmp_path: Path) -> None:
    spec = tmp_path / "night.toml"
    spec.write_text('title = "Night"\ncaption = 7\nlyrics = "[verse]\\nla"\n[metas]\nbpm = 400\n', "utf-8")

    with pytest.raises(SpecError) as caught:
        renderer.load_songs([spec]).require()

    text = str(caught.value)
    assert text.startswith("2 faults in the specs\n\nerror[")
    assert all(part in text for part in ("night.toml:2:11", "2 | caption = 7", "night.toml:5:7", "^^^"))
