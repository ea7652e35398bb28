"""What every test may ask for: the smallest model set of the real classes."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import hypothesis
import pytest

from renderer.takes.measure.compiled import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

# Commands that a test gives another home measure, too: half a minute of compiling is done once for all of them.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))


# Without limits of time, which say of a busy machine that it is busy; and one commit gets one verdict: only long forms
# draw anew each time, and say so.
hypothesis.settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `tiny` model set; read it, never write to it."""
    from tests.mini_factory.build import build_set

    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_set(folder, "tiny")
    return folder


@pytest.fixture(scope="session")
def wide_set(tmp_path_factory: pytest.TempPathFactory, tiny_set: Path) -> Path:
    """`tiny` with an LM that can be held in 8 bits, its matrices as wide as a group; read it, never write to it."""
    import torch
    from transformers import AutoTokenizer

    from tests.mini_factory.build import make_lm
    from tests.mini_factory.sizes import TINY, Width

    folder = tmp_path_factory.mktemp("models") / "wide"
    shutil.copytree(tiny_set, folder)
    width = Width(hidden=64, intermediate=128, layers=2, heads=4, kv_heads=2, head_dim=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make_lm(replace(TINY, lm=width), AutoTokenizer.from_pretrained(folder / "lm"))
    model.save_pretrained(folder / "lm")
    return folder
