"""A part read while another one works is the part that would have been read afterwards."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from renderer.errors import ModelError
from renderer.models.ace_step.parts import AceStepLoader
from renderer.models.ace_step.prefetch import PrefetchedPart, _dtypes_of, leaves_plenty, prefetch
from renderer.models.catalog.zoo import resolve
from renderer.models.stage_job import Done
from tests.models.ace_step.listening import Heard
from tests.models.ace_step.test_parts import CODES, REQUEST, SETTINGS, latents_job

if TYPE_CHECKING:
    from pathlib import Path

    from renderer.models.model_files import ModelFiles

LOADS = ["text_encoder", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "dit"]


@pytest.fixture
def files(tiny_set: Path) -> ModelFiles:
    found = resolve(str(tiny_set)).files
    assert found is not None
    return found


def begun(part: str, files: ModelFiles) -> PrefetchedPart:
    """As on a device with plenty of memory."""
    found = PrefetchedPart()
    names = _dtypes_of(part, files, SETTINGS)
    found.thread = threading.Thread(target=found.read, args=(files, torch.device("cpu"), names))
    found.thread.start()
    return found


def latents(files: ModelFiles, prefetched: PrefetchedPart | None) -> tuple[Any, list[str]]:
    heard = Heard()
    dit: Any = AceStepLoader().load("dit", files, SETTINGS, heard, prefetched)
    (done,) = dit.latents([latents_job(REQUEST, CODES)], heard)
    assert isinstance(done, Done)
    return done.artifact, heard.loads


def test_a_prefetched_dit_gives_the_same_latents_and_tells_the_same_loads(files: ModelFiles) -> None:
    prefetched = begun("dit", files)
    expected, _ = latents(files, None)

    found, loads = latents(files, prefetched)

    assert np.array_equal(found.frames, expected.frames)
    assert loads == LOADS
    # Its weights are merged with adapters and changed in place: the next one to load it reads it anew.
    again, loads = latents(files, prefetched)
    assert np.array_equal(again.frames, expected.frames)
    assert loads == LOADS


def test_what_could_not_be_prefetched_is_told_by_the_load(tiny_set: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_set, tmp_path / "set")
    broken = tmp_path / "set" / "transformer" / "diffusion_pytorch_model.safetensors"
    broken.write_bytes(broken.read_bytes()[:1_000])
    files = resolve(str(tmp_path / "set")).files
    assert files is not None

    prefetched = begun("dit", files)

    with pytest.raises(ModelError, match=broken.name.replace(".", r"\.")):
        latents(files, prefetched)


def test_a_cpu_prefetches_nothing(files: ModelFiles) -> None:
    assert prefetch("dit", files, SETTINGS) is None


@pytest.mark.parametrize(("free", "taken"), [(48, True), (47, False), (7, False), (80, True)])
def test_half_of_a_device_stays_free_for_what_is_at_work(free: int, taken: bool) -> None:
    assert leaves_plenty(8, free, 80) is taken
