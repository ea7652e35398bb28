"""What every test may ask for: the smallest model set of the real classes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from renderer.takes.measure.compiled import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

# Commands that a test gives another home measure, too: half a minute of compiling is done once for all of them.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `tiny` model set; read it, never write to it."""
    from tests.mini_factory.build import build_set

    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_set(folder, "tiny")
    return folder
