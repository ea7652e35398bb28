"""What would stop a run halfway is found before anything is loaded."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import renderer
from renderer.errors import ModelError
from renderer.pipeline.options import Options
from renderer.pipeline.project import Project
from renderer.pipeline.render import render
from renderer.pipeline.select import select

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.run.executor import Executor

SPEC = """
title = "A"
model = "{model}"
caption = "calm piano"
lyrics = "[verse]\\nla la la"
seeds = [1]
[metas]
duration = 10
[inference]
thinking = {thinking}
use_cot_metas = false
"""


@pytest.fixture
def unpaired(tiny_set: Path, tmp_path: Path) -> Path:
    """A pipeline folder as one is published: without the audio tokenizer pair."""
    folder = tmp_path / "models" / "unpaired"
    shutil.copytree(tiny_set, folder)
    shutil.rmtree(folder / "audio_tokenizer")
    shutil.rmtree(folder / "audio_token_detokenizer")
    return folder


def write(folder: Path, model: Path, thinking: str) -> Path:
    path = folder / "project" / "a.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SPEC.format(model=model, thinking=thinking))
    return path


def test_a_set_that_can_not_read_codes_is_refused_before_the_lm_writes_any(unpaired: Path, tmp_path: Path) -> None:
    songs = renderer.load_songs([write(tmp_path, unpaired, "true")]).require()
    told: list[object] = []

    with pytest.raises(ModelError) as raised:
        renderer.render(songs, device="cpu", outputs=tmp_path / "outputs", listen=told.append)

    assert raised.value.message == f"`{unpaired}` can't read the LM's codes"
    assert "thinking = false" in raised.value.help
    assert not [event for event in told if "Loaded" in type(event).__name__]


@pytest.mark.slow
def test_without_codes_the_same_set_renders(unpaired: Path, tmp_path: Path, executor: Executor) -> None:
    selection = select([str(write(tmp_path, unpaired, "false"))], Options())
    options = Options(device="cpu", threads=1, lm_slots=2, outputs=tmp_path / "outputs")

    summary = render(Project(selection.takes, options), listen=lambda _: None, executor=executor)

    assert summary.rendered == ("a.s1",), summary.failures
    assert "lm" not in summary.loads
    assert "audio_tokenizer" not in summary.loads
